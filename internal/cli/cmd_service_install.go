package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/app/service"
	"holdfast/internal/app/unit"
	"holdfast/internal/config"
)

// installFlags are the flags of `holdfast service install`.
type installFlags struct {
	hostFlags
	user, group, stateDir string
	writePaths            []string
	readOnlyConfig        bool
	dryRun, now           bool
}

func newServiceInstall(c *command) *cobra.Command {
	var f installFlags
	cmd := &cobra.Command{
		Use:   "install [flags]",
		Short: "Install the unit of systemd, or bring it up to date",
		Long: `Install a unit of systemd that runs ` + "`holdfast serve`" + `, after showing what will be
done. Run it again after repositories of this machine were added to
holdfast.yaml, or with --now after an upgrade: it changes what has to change, and
keeps what was chosen before and your own drop-ins.

The service runs as the system user holdfast (--user for another), who is made.
It has the capability CAP_DAC_READ_SEARCH, by which it reads every file, and no
other. All file systems are read-only to it but its state (--state-dir), its
cache, the repositories of this machine, the folder of holdfast.yaml
(--read-only-config leaves that out) and what --write-path names. Repositories
that root made are given to the user.

Files that it restores belong to its user: restores with owners, or to any other
place, are for root, with ` + "`holdfast restore`" + `. With --user root it does both, in a
looser unit.

Where the Debian package is installed its unit is used, and what differs goes
into a drop-in. With --user-unit it is a unit of your own systemd, which reads
and writes what you can.`,
		Example: `  holdfast service install --dry-run
  holdfast service install --now
  holdfast service install --write-path /srv/restores
  holdfast service install --user-unit --now`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.runServiceInstall(cmd.Context(), &f) },
	}
	fl := cmd.Flags()
	f.hostFlags.register(fl)
	fl.StringVar(&f.user, "user", "", "`name` of the user it runs as (default holdfast)")
	fl.StringVar(&f.group, "group", "", "`name` of the group it runs as (default that of the user's name)")
	fl.StringVar(&f.stateDir, "state-dir", "", "`folder` for the state of the service (default /var/lib/holdfast)")
	fl.StringArrayVar(&f.writePaths, "write-path", nil, "`folder` that it may write to, too (may be repeated)")
	fl.BoolVar(&f.readOnlyConfig, "read-only-config", false, "keep it from changing holdfast.yaml: the dashboard can then add no plans")
	fl.BoolVar(&f.now, "now", false, "start it now, or start it again if it has changed")
	fl.BoolVarP(&f.dryRun, "dry-run", "n", false, "change nothing, only show what would be done, and the unit")
	return cmd
}

func (c *command) runServiceInstall(ctx context.Context, f *installFlags) error {
	host, err := f.host(!f.dryRun)
	if err != nil {
		return err
	}
	request, err := c.installRequest(host, f)
	if err != nil {
		return err
	}
	plan, err := unit.Install(ctx, *request)
	if err != nil {
		return err
	}
	c.showServicePlan(plan, f.dryRun)
	if f.dryRun {
		if plan.Text != "" {
			c.ui.infof("\n%s:\n\n%s", plan.File, plan.Text)
		}
		return nil
	}
	if err := plan.Execute(ctx); err != nil {
		return err
	}
	if len(plan.Steps) > 0 {
		status := "holdfast service status"
		if f.userUnit {
			status += " --user-unit"
		}
		c.ui.infof("done. How it stands:  %s", status)
		if url := dashboardOf(request.Config); url != "" {
			c.ui.infof("Its dashboard:        %s\nA token for that:     holdfast token create --name admin --role admin", url)
		}
	}
	return nil
}

// dashboardOf returns where a service shows its dashboard on its own machine,
// "" for nowhere.
func dashboardOf(cfg *config.Config) string {
	listen, scheme := config.DefaultListen, "http"
	if cfg != nil {
		listen = firstOf(cfg.Service.Listen, listen)
		if cfg.Service.TLS.Cert != "" {
			scheme = "https"
		}
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil { // off
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/"
}

// installRequest puts together what was asked for, what was chosen earlier, and
// what is usual, in this order.
func (c *command) installRequest(host unit.Host, f *installFlags) (*unit.Request, error) {
	spec, _, err := unit.Installed(host)
	if err != nil {
		return nil, err
	}
	if spec.Program, err = programOf(host); err != nil {
		return nil, err
	}
	if spec.Config, err = c.configOfService(host, spec.Config); err != nil {
		return nil, err
	}
	if f.user != "" && f.user != spec.User {
		spec.User, spec.Group = f.user, f.user
	}
	spec.Personal = host.Personal
	if !host.Personal {
		spec.User = firstOf(spec.User, unit.DefaultUser)
		spec.Group = firstOf(f.group, spec.Group, spec.User)
	}
	spec.ReadOnlyConfig = spec.ReadOnlyConfig || f.readOnlyConfig
	for _, path := range f.writePaths {
		if !filepath.IsAbs(path) {
			return nil, fmt.Errorf("--write-path %s: write the whole path, from / on", path)
		}
	}
	if len(f.writePaths) > 0 {
		spec.WritePaths = f.writePaths
	}
	cfg, err := loadInstalled(host, spec.Config)
	if err != nil {
		return nil, err
	}
	if spec.StateDir, err = stateOfService(host, f.stateDir, cfg, spec.StateDir); err != nil {
		return nil, err
	}
	return &unit.Request{Host: host, Spec: spec, Config: cfg, Now: f.now}, nil
}

// programOf returns the program that the unit runs: this one.
func programOf(host unit.Host) (string, error) {
	if host.Root != "" {
		return unit.Packaged().Program, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	if strings.Contains(self, "/go-build") {
		return "", errors.New("go run removes its program when it ends: `make build` makes one that stays; put bin/holdfast into /usr/local/bin")
	}
	return self, nil
}

// configOfService returns which holdfast.yaml the service reads. One of this
// machine's users is no one of a system in a folder.
func (c *command) configOfService(host unit.Host, installed string) (string, error) {
	if c.global.config != "" {
		return filepath.Abs(c.global.config)
	}
	if host.Root != "" {
		return firstOf(installed, config.SystemPath), nil
	}
	path, err := config.Find("", os.Getenv)
	switch {
	case installed != "" && (err != nil || exists(installed)):
		return installed, nil
	case errors.Is(err, config.ErrNotFound) && host.Personal:
		return config.UserPath(os.Getenv)
	case errors.Is(err, config.ErrNotFound):
		return config.SystemPath, nil
	case err != nil:
		return "", err
	}
	return filepath.Abs(path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// loadInstalled reads holdfast.yaml of the system, nil if there is none.
func loadInstalled(host unit.Host, path string) (*config.Config, error) {
	path = filepath.Join(host.Root, path)
	if !exists(path) {
		return nil, nil //nolint:nilnil // the unit waits for it
	}
	return config.Load(path)
}

// stateOfService returns where the service keeps its state.
func stateOfService(host unit.Host, flag string, cfg *config.Config, installed string) (string, error) {
	switch {
	case flag != "":
		return filepath.Abs(flag)
	case cfg != nil && cfg.Service.StateDir != "":
		return cfg.Service.StateDir, nil
	case installed != "":
		return installed, nil
	case host.Personal:
		return service.FindStateDir("", "", os.Getenv)
	}
	return unit.DefaultStateDir, nil
}
