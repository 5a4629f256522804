package cli

import (
	"github.com/spf13/cobra"
)

func newRun(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Show what the service has run, runs and will run",
		Long: `Show what ` + "`holdfast serve`" + ` has run, what runs now, and what is due next. A run is
one execution of a job: a backup, a copy, a restore test, upkeep.`,
		Example: "  holdfast run list --plan shop\n  holdfast run next\n  holdfast run show 20260301-020000-9f3a2c",
	}
	cmd.AddCommand(newRunList(c), newRunNext(c), newRunShow(c), newRunStart(c))
	return cmd
}
