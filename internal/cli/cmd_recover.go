package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/internal/repair"
	"holdfast/repository"
)

// recoveredTag marks snapshots of what was lost, as restic does.
const recoveredTag = "recovered"

// recoverFlags are the flags of `holdfast recover`.
type recoverFlags struct {
	dryRun bool
	writer writerFlags
}

func newRecover(c *command) *cobra.Command {
	var f recoverFlags
	cmd := &cobra.Command{
		Use:   "recover [flags]",
		Short: "Make a snapshot of what forgotten or lost snapshots have left",
		Long: `Make a snapshot of all folders in the repository that no snapshot leads to: what
is left of snapshots that were forgotten by mistake, or whose files were lost, as
long as the repository was not pruned. It has the tag "recovered"; each folder
found is one in it, named after the ID of its tree, and may hold the folders of a
whole backup. Look around with ` + "`holdfast ls`" + ` or ` + "`holdfast mount`" + `, restore what you
need, and forget it.

The index is repaired first, as by ` + "`holdfast repair index`" + `. The repository is locked
against all others meanwhile.`,
		Example: "  holdfast recover --dry-run\n  holdfast recover\n  holdfast ls --long latest --tag recovered",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runRecover(cmd.Context(), &f) },
	}
	cmd.Flags().BoolVarP(&f.dryRun, "dry-run", "n", false, "make no snapshot, only tell what was found")
	f.writer.register(cmd.Flags())
	return cmd
}

// recoverMessage is the result of `recover`.
type recoverMessage struct {
	MessageType string   `json:"message_type"` // "summary"
	DryRun      bool     `json:"dry_run,omitempty"`
	Trees       int      `json:"trees_read"`
	Damaged     int      `json:"trees_damaged"`
	Roots       []string `json:"roots"`
	Snapshot    string   `json:"snapshot_id,omitempty"`
}

func (c *command) runRecover(ctx context.Context, f *recoverFlags) error {
	if c.global.noLock {
		return errNeedsLock
	}
	o := repair.RecoverOptions{DryRun: f.dryRun, Damaged: func(err error) { c.ui.warn("recover", "", err) }}
	var err error
	if o.Writer, err = f.writer.options(); err != nil {
		return err
	}
	if o.Record, err = newSnapshot("", "", []string{recoveredTag}); err != nil {
		return err
	}
	o.Record.Paths = []string{"/recover"}
	return c.opened(ctx, func(ctx context.Context, r *repository.Repository) error {
		if !f.dryRun {
			if _, err := repair.Index(ctx, r, repair.IndexOptions{Locked: c.lockedBy(r)}); err != nil {
				return fmt.Errorf("repair the index: %w", err)
			}
		}
		return c.locked(ctx, r, repository.Exclusive, func(ctx context.Context, r *repository.Repository) error {
			// Snapshots that cannot be read are told; what they led to is found.
			if o.Snapshots, err = c.loadAll(ctx, r); err != nil {
				return err
			}
			found, err := repair.Recover(ctx, r, o)
			if err != nil {
				return err
			}
			c.tellRecovered(found, f.dryRun)
			return nil
		})
	})
}

func (c *command) tellRecovered(found *repair.RecoverReport, dryRun bool) {
	m := recoverMessage{MessageType: "summary", DryRun: dryRun, Trees: found.Trees, Damaged: found.Damaged, Roots: idStrings(found.Roots)}
	if found.Snapshot != nil {
		m.Snapshot = found.Snapshot.ID.String()
	}
	c.ui.message(m)
	if len(found.Roots) == 0 {
		c.ui.infof("read %s: every folder is in a snapshot, there is nothing to recover", countOf(found.Trees, "tree"))
		return
	}
	c.listIDs("folders that no snapshot leads to", found.Roots)
	if found.Snapshot != nil {
		c.ui.infof("snapshot %s leads to %s, under their IDs", found.Snapshot.ID.Short(), countOf(len(found.Roots), "folder"))
	}
}
