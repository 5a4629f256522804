package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/internal/repair"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// repairSnapshotsFlags are the flags of `holdfast repair snapshots`.
type repairSnapshotsFlags struct {
	hosts, tags, paths []string
	forget, dryRun     bool
	heal               healFlags
}

func newRepairSnapshots(c *command) *cobra.Command {
	var f repairSnapshotsFlags
	cmd := &cobra.Command{
		Use:   "snapshots [flags] [ID...]",
		Short: "Leave out of snapshots what is lost",
		Long: `Store damaged snapshots anew without what is lost: files keep the parts that
are left and shrink to them, folders that cannot be read are empty. Sound
snapshots stay as they are. Without IDs or filters all snapshots are looked at.

This gives up data for good. Run ` + "`holdfast repair index`" + ` first, and
` + "`holdfast backup`" + ` of the same paths: what is still there heals old snapshots.
With --from what the index lacks is first brought back from copies.

The repaired snapshots get the tag "repaired" and stand beside the old ones;
with --forget they take their place, and snapshots of which nothing can be
read are removed.`,
		Example: "  holdfast repair snapshots --dry-run\n  holdfast repair snapshots --forget",
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.global.noLock && !f.dryRun {
				return errNeedsLock
			}
			return c.healing(cmd.Context(), &f.heal, func(ctx context.Context, r *repository.Repository, from []openedCopy) error {
				return c.locked(ctx, r, f.mode(), func(ctx context.Context, r *repository.Repository) error {
					if err := c.bringBack(ctx, r, &f, repositoriesOf(from)); err != nil {
						return err
					}
					return c.repairSnapshots(ctx, r, &f, args)
				})
			})
		},
	}
	fl := cmd.Flags()
	fl.StringSliceVarP(&f.hosts, "host", "H", nil, "only snapshots of this `host` (may be repeated)")
	fl.StringArrayVar(&f.tags, "tag", nil, "only snapshots with all of these `tags`, with commas between (may be repeated)")
	fl.StringArrayVar(&f.paths, "path", nil, "only snapshots that hold this `path` (may be repeated)")
	fl.BoolVar(&f.forget, "forget", false, "remove damaged snapshots once the repaired ones are stored")
	fl.BoolVarP(&f.dryRun, "dry-run", "n", false, "change nothing, only tell what would be changed")
	f.heal.registerFrom(fl)
	return cmd
}

// mode is the lock that is needed: snapshots that stand beside others are added.
// What takes the place of others goes by what is lost, and a backup meanwhile may
// bring it back.
func (f *repairSnapshotsFlags) mode() repository.LockMode {
	if len(f.heal.from) > 0 {
		return repository.Exclusive
	}
	return changing(f.dryRun || !f.forget)
}

// bringBack stores again what snapshots lack and a copy has.
func (c *command) bringBack(ctx context.Context, r *repository.Repository, f *repairSnapshotsFlags, from []*repository.Repository) error {
	if len(from) == 0 {
		return nil
	}
	if f.dryRun {
		return errors.New("--from stores what copies have: leave it out of a dry run")
	}
	done, err := repair.Heal(ctx, r, repair.HealOptions{From: from, Missing: true, Lost: func(what string, err error) {
		c.ui.warn("repair snapshots", "", fmt.Errorf("%s cannot be healed: %w", what, err))
	}})
	if err != nil {
		return err
	}
	if n := done.Blobs + len(done.Packs); n > 0 {
		c.ui.infof("brought back from copies: %s, %s", countOf(len(done.Packs), "pack"), countOf(done.Blobs, "blob"))
	}
	return nil
}

// choose returns the snapshots that the user names, or that the filter takes.
func (f *repairSnapshotsFlags) choose(all []*snapshot.Snapshot, args []string) ([]*snapshot.Snapshot, error) {
	filter := snapshot.Filter{Hosts: f.hosts, Paths: f.paths}
	for _, t := range f.tags {
		filter.Tags = append(filter.Tags, snapshot.ParseTagList(t))
	}
	if len(args) == 0 {
		return filter.Select(all), nil
	}
	var list []*snapshot.Snapshot
	for _, ref := range args {
		s, err := snapshot.Find(all, filter, ref)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// all tells whether every snapshot is meant.
func (f *repairSnapshotsFlags) all(args []string) bool {
	return len(args) == 0 && len(f.hosts) == 0 && len(f.tags) == 0 && len(f.paths) == 0
}

// changedMessage tells of one path that is not what it was.
type changedMessage struct {
	MessageType string `json:"message_type"` // "changed"
	Snapshot    string `json:"snapshot"`
	Path        string `json:"path"`
	Change      string `json:"change"`
}

// repairedMessage tells what became of one snapshot.
type repairedMessage struct {
	MessageType string `json:"message_type"` // "repaired"
	Snapshot    string `json:"snapshot"`
	New         string `json:"new,omitempty"`
	Removed     bool   `json:"removed"`
}

// repairSnapshotsMessage is the last message of `repair snapshots`.
type repairSnapshotsMessage struct {
	MessageType string `json:"message_type"` // "summary"
	DryRun      bool   `json:"dry_run,omitempty"`
	Repaired    int    `json:"repaired"`
}

func (c *command) repairSnapshots(ctx context.Context, r *repository.Repository, f *repairSnapshotsFlags, args []string) error {
	all, err := r.Snapshots(ctx)
	if err != nil && !repository.IsCorrupt(err) {
		return err
	}
	o := repair.SnapshotsOptions{Forget: f.forget, DryRun: f.dryRun}
	if o.Snapshots, err = f.choose(all, args); err != nil {
		return err
	}
	if f.forget {
		if err := c.noneHeld(ctx, r, o.Snapshots); err != nil {
			return err
		}
	}
	o.Changed = func(s *snapshot.Snapshot, path, what string) {
		c.ui.message(changedMessage{"changed", s.ID.String(), path, what})
		c.ui.infof("%s:%s: %s", s.ID.Short(), path, what)
	}
	repaired, err := repair.Snapshots(ctx, r, o)
	for _, s := range repaired {
		c.reportRepaired(s)
	}
	if err == nil && f.all(args) {
		err = c.dropUnreadable(ctx, r, f)
	}
	if err != nil {
		return err
	}
	c.ui.message(repairSnapshotsMessage{"summary", f.dryRun, len(repaired)})
	c.ui.infof("%s looked at, %d were damaged", countOf(len(o.Snapshots), "snapshot"), len(repaired))
	if f.dryRun {
		c.ui.infof("nothing was changed: this was a dry run")
	}
	return nil
}

func (c *command) reportRepaired(s repair.RepairedSnapshot) {
	m := repairedMessage{MessageType: "repaired", Snapshot: s.Old.ID.String(), Removed: s.Removed}
	became := "nothing of it is left"
	if s.New != nil {
		became = "repaired"
		if !s.New.ID.IsZero() {
			m.New = s.New.ID.String()
			became = "repaired as " + s.New.ID.Short()
		}
	}
	c.ui.message(m)
	c.ui.infof("snapshot %s: %s%s", s.Old.ID.Short(), became, map[bool]string{true: "; the damaged one is removed"}[s.Removed])
}

// dropUnreadable removes, with --forget, the snapshot files that are damaged
// themselves.
func (c *command) dropUnreadable(ctx context.Context, r *repository.Repository, f *repairSnapshotsFlags) error {
	damaged, err := repair.DamagedSnapshotFiles(ctx, r)
	if err != nil {
		return err
	}
	var errs []error
	for _, i := range damaged {
		if !f.forget {
			c.ui.warn("repair snapshots", "", fmt.Errorf("snapshot file %s is damaged and names nothing any more; --forget removes it", i))
			continue
		}
		c.reportRepaired(repair.RepairedSnapshot{Old: &snapshot.Snapshot{ID: i}, Removed: true})
		errs = append(errs, c.removeSnapshotFile(ctx, r, i, f.dryRun))
	}
	return errors.Join(errs...)
}

func (c *command) removeSnapshotFile(ctx context.Context, r *repository.Repository, i id.ID, dryRun bool) error {
	if dryRun {
		return nil
	}
	return r.RemoveFile(ctx, repository.SnapshotFile, i)
}
