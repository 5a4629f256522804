package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/internal/lifecycle"
)

func newStorageApply(c *command) *cobra.Command {
	var f wishFlags
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "apply [flags] [PLACE]",
		Short: "Set up a bucket, and read back what was set",
		Long: `Set what ` + "`holdfast storage plan`" + ` shows, then read the settings back from the
service: what it does not keep is an error, and so is what these credentials may
not set. Rules of others are never touched. Running it again changes nothing.`,
		Example: `  holdfast storage apply offsite --dry-run
  holdfast storage apply offsite
  holdfast storage apply --archives shop`,
		Args: c.onePlace,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dryRun {
				return c.runStoragePlan(cmd.Context(), &f)
			}
			return c.runStorageApply(cmd.Context(), &f)
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "set nothing, only show the plan")
	return cmd
}

func (c *command) runStorageApply(ctx context.Context, f *wishFlags) error {
	return c.withBucket(ctx, f, func(b *bucket) error {
		settings, err := b.managed.Settings(ctx)
		if err == nil {
			err = b.sole(ctx)
		}
		if err != nil {
			return err
		}
		p := lifecycle.PlanFor(&settings, b.wishes)
		c.showStoragePlan(p, &settings)
		if p.NothingToDo() {
			return nil
		}
		notes, err := p.Execute(ctx, b.managed, b.wishes)
		for _, note := range notes {
			c.ui.warn("storage apply", "", errors.New(note))
		}
		if err != nil {
			return fmt.Errorf("not all of it is set:\n%w", err)
		}
		c.ui.infof("set, and read back from the service")
		return nil
	})
}
