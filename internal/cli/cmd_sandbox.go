package cli

import (
	"github.com/spf13/cobra"

	"holdfast/internal/verify/restoretest"
)

// newSandbox is the command that holdfast runs the commands of restore tests
// with. It is not for people.
func newSandbox(*command) *cobra.Command {
	return &cobra.Command{
		Use:    restoretest.SandboxCommand + " SCRATCH MEMORY -- COMMAND [ARGUMENT...]",
		Short:  "Run a command of a restore test, apart from everything else",
		Hidden: true,
		Args:   cobra.MinimumNArgs(3),
		RunE:   func(_ *cobra.Command, args []string) error { return restoretest.Enter(args[0], args[1], args[2:]) },
	}
}
