package cli

import (
	"errors"

	"github.com/spf13/cobra"
)

// unlockMessage tells what was removed.
type unlockMessage struct {
	MessageType string `json:"message_type"` // "unlocked"
	Removed     int    `json:"removed"`
}

func newUnlock(c *command) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "unlock",
		Short: "Remove locks that killed programs left behind",
		Long: `Remove the locks of programs that certainly work no more: those not refreshed
for 30 minutes, and those of processes of this host that are gone.

With --remove-all all locks are removed. A program that still works with the
repository may then lose data: make sure that there is none.`,
		Example: "  holdfast unlock",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			r, err := c.openRepository(ctx)
			if err != nil {
				return err
			}
			removed, err := r.RemoveStaleLocks(ctx, all)
			c.ui.message(unlockMessage{"unlocked", removed})
			c.ui.infof("removed %d locks", removed)
			return errors.Join(err, r.Close())
		},
	}
	cmd.Flags().BoolVar(&all, "remove-all", false, "remove all locks, also those of programs that may be working")
	return cmd
}
