package cli

import (
	"context"

	"github.com/spf13/cobra"

	"holdfast/internal/app/unit"
)

func newServiceUninstall(c *command) *cobra.Command {
	var f hostFlags
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "uninstall [flags]",
		Short: "Stop the service and remove its unit",
		Long: `Stop the service and remove the unit that ` + "`holdfast service install`" + ` made. What was
backed up stays, and so do the state, holdfast.yaml, passwords, the user and your
own drop-ins.`,
		Example: "  holdfast service uninstall --dry-run\n  holdfast service uninstall",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runServiceUninstall(cmd.Context(), &f, dryRun) },
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "change nothing, only show what would be done")
	return cmd
}

func (c *command) runServiceUninstall(ctx context.Context, f *hostFlags, dryRun bool) error {
	host, err := f.host(!dryRun)
	if err != nil {
		return err
	}
	plan, err := unit.Uninstall(ctx, host)
	if err != nil {
		return err
	}
	c.showServicePlan(plan, dryRun)
	if dryRun {
		return nil
	}
	return plan.Execute(ctx)
}
