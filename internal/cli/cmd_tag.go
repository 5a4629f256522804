package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"holdfast/internal/upkeep"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// tagFlags are the flags of `holdfast tag`.
type tagFlags struct {
	set, add, remove []string
	dryRun           bool
	chosen           selectFlags
}

func newTag(c *command) *cobra.Command {
	var f tagFlags
	cmd := &cobra.Command{
		Use:   "tag [flags] [SNAPSHOT...]",
		Short: "Change the tags of snapshots",
		Long: `Change the tags of the snapshots named or, without names, of all that --host,
--tag and --path choose.

A snapshot with other tags is a new snapshot, with a new ID, that takes the
place of the old one. Tags that begin with "holdfast:" record what holdfast
needs to know and stay.`,
		Example: `  holdfast tag --add monthly latest
  holdfast tag --tag old --set archive,2025`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.runTag(cmd.Context(), &f, args) },
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.set, "set", nil, "replace the tags by these `tag[,tag]` (may be repeated; \"\" for none)")
	fl.StringArrayVar(&f.add, "add", nil, "add these `tag[,tag]` (may be repeated)")
	fl.StringArrayVar(&f.remove, "remove", nil, "remove these `tag[,tag]` (may be repeated)")
	fl.BoolVarP(&f.dryRun, "dry-run", "n", false, "change nothing, only tell what would change")
	f.chosen.register(fl, "H")
	return cmd
}

// edit turns the flags into an edit.
func (f *tagFlags) edit() (snapshot.TagEdit, error) {
	e := snapshot.TagEdit{Replace: len(f.set) > 0, Set: splitTags(f.set), Add: splitTags(f.add), Remove: splitTags(f.remove)}
	switch {
	case len(f.set)+len(f.add)+len(f.remove) == 0:
		return e, errors.New("nothing to do: give --set, --add or --remove")
	case e.Replace && len(f.add)+len(f.remove) > 0:
		return e, errors.New("--set replaces all tags: it cannot go with --add or --remove")
	}
	return e, e.Validate()
}

func splitTags(lists []string) []string {
	var tags []string
	for _, list := range lists {
		tags = append(tags, snapshot.ParseTagList(list)...)
	}
	return tags
}

func (c *command) runTag(ctx context.Context, f *tagFlags, args []string) error {
	edit, err := f.edit()
	if err != nil {
		return err
	}
	if f.dryRun {
		return c.foretellTags(ctx, f, edit, args)
	}
	return c.opened(ctx, func(ctx context.Context, r *repository.Repository) error {
		return c.inTurns(r, false, func(t *turns) error {
			o := c.editTurns(r, t, &f.chosen, args)
			edits, err := upkeep.Tag(ctx, r, edit, o)
			c.showEdits(edits, false, false)
			return err
		})
	})
}

// foretellTags tells which snapshots would get other tags.
func (c *command) foretellTags(ctx context.Context, f *tagFlags, edit snapshot.TagEdit, args []string) error {
	return c.work(ctx, repository.Shared, func(ctx context.Context, r *repository.Repository) error {
		all, err := c.snapshots(ctx, r)
		if err != nil {
			return err
		}
		some, err := f.chosen.choose(all, args)
		if err == nil {
			err = c.noneHeld(ctx, r, some)
		}
		if err != nil {
			return err
		}
		var edits []upkeep.Edit
		for _, s := range some {
			edited, changed, err := s.WithUserTags(edit)
			if err != nil {
				return err
			}
			if changed {
				edits = append(edits, upkeep.Edit{Old: s, New: edited})
			}
		}
		c.showEdits(edits, true, false)
		return nil
	})
}

// editTurns says which snapshots are edited, and that what is held stays.
func (c *command) editTurns(r *repository.Repository, t *turns, chosen *selectFlags, args []string) upkeep.EditTurns {
	return upkeep.EditTurns{
		Locks: t,
		Load:  func(ctx context.Context) ([]*snapshot.Snapshot, error) { return c.snapshots(ctx, r) },
		Choose: func(_ context.Context, all []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
			return chosen.choose(all, args)
		},
		Allowed: func(ctx context.Context, some []*snapshot.Snapshot) error { return c.noneHeld(ctx, r, some) },
	}
}

// showEdits tells which snapshots took the place of which, or were made of those
// that stay.
func (c *command) showEdits(edits []upkeep.Edit, dryRun, stay bool) {
	for _, e := range edits {
		m := editMessage{MessageType: "changed", Old: e.Old.ID.String()}
		if !dryRun {
			m.New = e.New.ID.String()
		}
		switch {
		case dryRun:
			c.ui.infof("snapshot %s would change", e.Old.ID.Short())
		case stay:
			c.ui.infof("snapshot %s was made of %s, which stays", e.New.ID.Short(), e.Old.ID.Short())
		default:
			c.ui.infof("snapshot %s is now %s", e.Old.ID.Short(), e.New.ID.Short())
		}
		c.ui.message(m)
	}
	c.ui.message(editSummary{"summary", dryRun, len(edits)})
	c.ui.infof("%s %s", verb(dryRun, "changed", "would change"), countOf(len(edits), "snapshot"))
}
