package cli

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast/internal/app/unit"
)

func newService(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "service",
		Short: "Have systemd run `holdfast serve`",
		Long: `Have systemd run ` + "`holdfast serve`" + `: install the unit, look how it stands, remove
it. The unit runs as a system user that reads every file, and writes to its
state, to the repositories of this machine that holdfast.yaml names, and to
nothing else.`,
		Example: "  holdfast service install --dry-run\n  holdfast service install --now\n  holdfast service status\n  holdfast service uninstall",
	}
	cmd.AddCommand(newServiceInstall(c), newServiceStatus(c), newServiceUninstall(c))
	return cmd
}

// hostFlags say which system is meant.
type hostFlags struct {
	root     string
	userUnit bool
}

func (f *hostFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.root, "root", "", "`folder` with another system, such as an image that is being made; nothing is started there")
	fl.BoolVar(&f.userUnit, "user-unit", false, "a unit of your own systemd, for which nobody need be root")
}

// host returns the system that is meant; changing says that it will be changed.
func (f *hostFlags) host(changing bool) (unit.Host, error) {
	h := unit.Host{Root: f.root, Personal: f.userUnit}
	switch {
	case runtime.GOOS != "linux":
		return h, unit.ErrNoSystemd
	case f.userUnit && f.root != "":
		return h, errors.New("--user-unit and --root exclude each other")
	case f.userUnit:
		dir, err := os.UserConfigDir()
		h.ConfigHome = dir
		return h, err
	case changing && os.Geteuid() != 0:
		return h, errors.New("only root can change the units of the system: run it with sudo, or with --user-unit for a unit of your own, or with --dry-run")
	case f.root != "":
		root, err := filepath.Abs(f.root)
		h.Root = root
		return h, err
	}
	return h, nil
}

// servicePlan is the message of a plan.
type servicePlan struct {
	MessageType string `json:"message_type"` // "service_plan"
	DryRun      bool   `json:"dry_run"`
	*unit.Plan
}

// showServicePlan prints what is to be done.
func (c *command) showServicePlan(p *unit.Plan, dryRun bool) {
	c.ui.message(servicePlan{"service_plan", dryRun, p})
	if len(p.Steps) == 0 {
		c.ui.infof("nothing to do")
	}
	for _, s := range p.Steps {
		c.ui.infof("- %s", s.What)
	}
	for _, note := range p.Notes {
		c.ui.infof("note: %s", note)
	}
}
