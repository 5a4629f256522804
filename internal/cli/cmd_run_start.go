package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func newRunStart(c *command) *cobra.Command {
	var state stateFlag
	var kind string
	cmd := &cobra.Command{
		Use:   "start [flags] JOB",
		Short: "Have the service run a job now",
		Long: `Have the running service run a job now, whatever its schedule, windows and pauses
say. The names of jobs are those of ` + "`holdfast run next`" + `. It still waits for its
turn, and for a run of the same job to end.`,
		Example: "  holdfast run start plans/shop/backup --type full\n  holdfast run start repositories/local/check",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.runRunStart(cmd.Context(), state, args[0], kind)
		},
	}
	state.register(cmd)
	cmd.Flags().StringVar(&kind, "type", "", "`type` of a backup: full, differential or incremental (default the last that the plan schedules)")
	return cmd
}

func (c *command) runRunStart(ctx context.Context, state stateFlag, job, kind string) error {
	dir, err := state.state(c)
	if err != nil {
		return err
	}
	client, err := dir.Connect()
	if err != nil {
		return err
	}
	if err := client.Trigger(ctx, job, kind); err != nil {
		return err
	}
	c.ui.infof("%s begins when it is its turn", job)
	return nil
}
