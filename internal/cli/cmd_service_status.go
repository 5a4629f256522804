package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/internal/app/unit"
)

func newServiceStatus(c *command) *cobra.Command {
	var f hostFlags
	cmd := &cobra.Command{
		Use:   "status [flags]",
		Short: "Tell whether the service runs, and whether its unit is as it should be",
		Long: `Tell whether systemd runs the service, and whether its unit is as holdfast.yaml
and this version of holdfast want it.

The exit code is 1 if the service does not run.`,
		Example: "  holdfast service status\n  holdfast service status --json",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runServiceStatus(cmd.Context(), &f) },
	}
	f.register(cmd.Flags())
	return cmd
}

// serviceStatus is the message of `holdfast service status`.
type serviceStatus struct {
	MessageType string `json:"message_type"` // "service_status"
	*unit.State
	// Wanted is what `holdfast service install` would do.
	Wanted []unit.Step `json:"wanted"`
	Notes  []string    `json:"notes"`
}

func (c *command) runServiceStatus(ctx context.Context, f *hostFlags) error {
	host, err := f.host(false)
	if err != nil {
		return err
	}
	state, err := unit.Look(ctx, host)
	if err != nil {
		return err
	}
	if state.File == "" {
		c.ui.message(serviceStatus{"service_status", state, []unit.Step{}, []string{}})
		return errors.New("there is no unit; `holdfast service install` makes one")
	}
	request, err := c.installRequest(host, &installFlags{})
	if err != nil {
		return err
	}
	plan, err := unit.Install(ctx, *request)
	if err != nil {
		return err
	}
	c.ui.message(serviceStatus{"service_status", state, plan.Steps, plan.Notes})
	c.printServiceStatus(state, plan)
	if state.Active != "active" {
		return fmt.Errorf("the service does not run; why: journalctl -u %s", unit.Name)
	}
	return nil
}

func (c *command) printServiceStatus(s *unit.State, p *unit.Plan) {
	c.ui.printf("unit     %s\n", s.File)
	c.ui.printf("runs     %s\n", runsSince(s))
	if s.User != "" {
		c.ui.printf("user     %s\n", s.User)
	}
	if !s.Enabled {
		c.ui.printf("started  by hand only\n")
	}
	for _, step := range p.Steps {
		c.ui.printf("lacks    %s (holdfast service install does it)\n", step.What)
	}
	for _, note := range p.Notes {
		c.ui.printf("note     %s\n", note)
	}
}

func runsSince(s *unit.State) string {
	switch {
	case s.Active == "":
		return "no: systemd does not run here"
	case s.Active == "active":
		return fmt.Sprintf("since %s, process %d", s.Since.Format("2006-01-02 15:04:05 MST"), s.PID)
	case s.Result != "":
		return s.Active + ": " + s.Result
	}
	return s.Active
}
