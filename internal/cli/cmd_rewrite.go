package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/pattern"
	"holdfast/internal/upkeep"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// rewriteFlags are the flags of `holdfast rewrite`.
type rewriteFlags struct {
	source  sourceFlags // its exclude patterns only
	include patternFlags
	chosen  selectFlags
	forget  bool
	dryRun  bool
	newHost string
	newTime string
	summary bool
	writer  writerFlags
}

func newRewrite(c *command) *cobra.Command {
	var f rewriteFlags
	cmd := &cobra.Command{
		Use:   "rewrite [flags] [SNAPSHOT...]",
		Short: "Take files out of snapshots, or correct what they record",
		Long: `Make new snapshots from old ones, without the files that match a pattern, or with
no others, with another host or time, or with the number and size of their files, which snapshots
of old versions of restic do not tell.

The old snapshots stay, and the new ones get the tag "rewrite", unless --forget
is given. Folders in which nothing changes are taken over byte for byte. What
was taken out stays in the repository until the old snapshots are forgotten
and the repository is pruned.`,
		Example: `  holdfast rewrite --exclude '*.iso' --dry-run
  holdfast rewrite --exclude /home/me/secret --forget latest
  holdfast rewrite --new-host www2 --host www`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.runRewrite(cmd.Context(), &f, args) },
	}
	fl := cmd.Flags()
	s := &f.source
	fl.StringArrayVarP(&s.excludes, "exclude", "e", nil, "take out what matches a `pattern` (may be repeated)")
	fl.StringArrayVar(&s.iexcludes, "iexclude", nil, "as --exclude with a `pattern`, whatever the case of letters")
	fl.StringArrayVar(&s.excludeFiles, "exclude-file", nil, "read exclude patterns from a `file`")
	fl.StringArrayVar(&s.iexcludeFiles, "iexclude-file", nil, "as --exclude-file with a `file`, whatever the case of letters")
	f.include.register(fl, "include", "i", "keep only")
	fl.StringVar(&f.newHost, "new-host", "", "record this host `name`")
	fl.StringVar(&f.newTime, "new-time", "", "record this `time`, as \"2006-01-02 15:04:05\"")
	fl.BoolVarP(&f.summary, "snapshot-summary", "s", false, "count the files of snapshots that do not say how many and how large they are")
	fl.BoolVar(&f.forget, "forget", false, "remove the old snapshots")
	fl.BoolVarP(&f.dryRun, "dry-run", "n", false, "store nothing, only tell what would change")
	f.chosen.register(fl, "H")
	f.writer.register(fl)
	return cmd
}

func (c *command) runRewrite(ctx context.Context, f *rewriteFlags, args []string) error {
	o, err := f.options(c)
	if err != nil {
		return err
	}
	return c.opened(ctx, func(ctx context.Context, r *repository.Repository) error {
		return c.inTurns(r, !f.forget || f.dryRun, func(t *turns) error {
			edits, err := upkeep.Rewrite(ctx, r, o, c.rewriteTurns(r, t, f, args))
			c.showEdits(edits, f.dryRun, !f.forget)
			if len(edits) > 0 && !f.forget && !f.dryRun {
				c.ui.infof("`holdfast rewrite --forget` removes those that others are made of")
			}
			return err
		})
	})
}

// rewriteTurns asks for holds before all the work, too.
func (c *command) rewriteTurns(r *repository.Repository, t *turns, f *rewriteFlags, args []string) upkeep.EditTurns {
	edits := c.editTurns(r, t, &f.chosen, args)
	edits.Load = func(ctx context.Context) ([]*snapshot.Snapshot, error) { return c.loadAll(ctx, r) }
	choose := edits.Choose
	edits.Choose = func(ctx context.Context, all []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
		some, err := choose(ctx, all)
		if err == nil && f.forget {
			err = edits.Allowed(ctx, some)
		}
		return some, err
	}
	return edits
}

func (f *rewriteFlags) options(c *command) (upkeep.RewriteOptions, error) {
	o := upkeep.RewriteOptions{NewHost: f.newHost, Summary: f.summary, Forget: f.forget, DryRun: f.dryRun, Watch: c.watchUpkeep}
	if c.ui.verbose > 0 {
		o.OnExcluded = func(path string) { c.ui.infof("excluded  %s", path) }
	}
	var err error
	if f.newTime != "" {
		if o.NewTime, err = time.ParseInLocation(time.DateTime, f.newTime, time.Local); err != nil {
			return o, fmt.Errorf("--new-time %q: write it as %q", f.newTime, time.DateTime)
		}
	}
	if o.Writer, err = f.writer.options(); err != nil {
		return o, err
	}
	if o.Exclude, err = f.excluded(c); err != nil {
		return o, err
	}
	if o.Include, err = f.include.lists(c); err != nil {
		return o, err
	}
	o.OnNothingLeft = func(s *snapshot.Snapshot) {
		c.ui.warn("rewrite", s.ID.Short(), errors.New("it has nothing of what is to stay, and is left as it is; `holdfast forget` removes it"))
	}
	if len(o.Exclude)+len(o.Include) == 0 && f.newHost == "" && f.newTime == "" && !f.summary {
		return o, errors.New("nothing to do: give --exclude, --include, --new-host, --new-time or --snapshot-summary")
	}
	return o, nil
}

// excluded returns the patterns that flags and files give.
func (f *rewriteFlags) excluded(c *command) (pattern.Lists, error) {
	var lists pattern.Lists
	for _, kind := range []struct {
		given, files []string
		parse        func([]string) (*pattern.List, error)
	}{
		{f.source.excludes, f.source.excludeFiles, pattern.Parse},
		{f.source.iexcludes, f.source.iexcludeFiles, pattern.ParseFold},
	} {
		all, err := f.source.patterns(c, kind.given, kind.files)
		if err != nil {
			return nil, err
		}
		list, err := kind.parse(all)
		if err != nil {
			return nil, err
		}
		if !list.Empty() {
			lists = append(lists, list)
		}
	}
	return lists, nil
}
