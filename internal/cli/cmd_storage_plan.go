package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/internal/lifecycle"
	"holdfast/storage"
)

func newStoragePlan(c *command) *cobra.Command {
	var f wishFlags
	cmd := &cobra.Command{
		Use:   "plan [flags] [PLACE]",
		Short: "Show what `storage apply` would set",
		Long: `Show what a bucket is set to and what ` + "`holdfast storage apply`" + ` would set: versions,
the end of what was deleted, of uploads never finished, and of versions of
locks, and the move of packs of file content to a colder class. Rules of others
are never touched.

In the place of a plan's archives, archives are deleted by their age: when the
plan would keep their snapshots no longer, or what its "archives" section says,
and later by the length of a chain. A place in which anything else lies is
refused.`,
		Example: `  holdfast storage plan offsite
  holdfast storage plan s3:https://s3.eu-central-1.amazonaws.com/backups/www --cold-class GLACIER_IR --cold-after 30d
  holdfast storage plan --archives shop`,
		Args: c.onePlace,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.runStoragePlan(cmd.Context(), &f) },
	}
	f.register(cmd.Flags())
	return cmd
}

func (c *command) runStoragePlan(ctx context.Context, f *wishFlags) error {
	return c.withBucket(ctx, f, func(b *bucket) error {
		settings, err := b.managed.Settings(ctx)
		if err == nil {
			err = b.sole(ctx)
		}
		if err != nil {
			return err
		}
		c.showStoragePlan(lifecycle.PlanFor(&settings, b.wishes), &settings)
		return nil
	})
}

// withBucket does something with the bucket that the user means.
func (c *command) withBucket(ctx context.Context, f *wishFlags, do func(b *bucket) error) error {
	b, err := c.openBucket(ctx, f)
	if err != nil {
		return err
	}
	return errors.Join(do(b), storage.Close(b.store))
}

// storagePlanMessage tells what a bucket is set to and what it will be.
type storagePlanMessage struct {
	MessageType string           `json:"message_type"` // "storage_plan"
	Steps       []lifecycle.Step `json:"steps"`
	Change      bool             `json:"change"`
}

func (c *command) showStoragePlan(p *lifecycle.Plan, s *storage.Settings) {
	c.ui.message(storagePlanMessage{"storage_plan", p.Steps, !p.NothingToDo()})
	if c.ui.json {
		return
	}
	var rows [][]string
	for _, step := range p.Steps {
		mark := ""
		if step.Change {
			mark = "change"
		}
		rows = append(rows, []string{step.Setting, step.Now, step.Then, mark})
	}
	c.ui.table([]string{"Setting", "Now", "Wanted", ""}, rows)
	for setting, err := range s.Unread {
		c.ui.warn("storage", "", fmt.Errorf("%s could not be read: %w", setting, err))
	}
	if p.NothingToDo() {
		c.ui.infof("nothing to do")
	}
}
