package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/app/service"
	"holdfast/internal/config"
	"holdfast/internal/ledger"
)

// serveFlags are the flags of `holdfast serve`.
type serveFlags struct {
	stateDir  string
	logFormat string
	logLevel  slog.LevelVar
	once      bool
	rebuild   bool
	hosts     []string
	grace     time.Duration
}

func newServe(c *command) *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve [flags]",
		Short: "Run all plans by themselves, on schedule",
		Long: `Run the plans of holdfast.yaml on schedule: backups, copies, restore tests,
retention, pruning, checks that read repositories back, and the archiving of
databases' logs.

Each run is a process of its own, and ` + "`holdfast run list`" + ` shows what became of
it. Backups go first; upkeep waits for repositories that others use. What was
missed while the service was not there is caught up, once. A run that was
interrupted, because the service or the machine stopped, is run again.

The dashboard, the API, metrics and health are at service.listen, by default
http://127.0.0.1:9898/ if that is free. On the first run the token of an
administrator is shown, once. Without any holdfast.yaml the service waits for
one, and the dashboard leads to a first plan.

holdfast.yaml is read again on SIGHUP and when it changes; one that is wrong
changes nothing. SIGTERM tells the runs to end, waits up to --grace, and ends.

The state is in --state-dir, HOLDFAST_STATE_DIR, service.state_dir of
holdfast.yaml, or else /var/lib/holdfast for the superuser and
~/.local/state/holdfast for others. One service at a time can use it.

With --rebuild a state that is lost or damaged is made anew: when jobs ran last,
by the history and the newest snapshots, how large repositories were, and
pauses, which the repositories keep. If the history is lost too, it is that of
the receipts of runs in the repositories, of up to half an hour ago. What was
done is not done again; what was missed is caught up. Where machines share a
repository, the receipts and snapshots of this one count, or of those that
--host names; of all, if there are no receipts of this one.

With --once the service runs what is due and what follows from it, and ends: for
those who start it from cron.`,
		Example: "  holdfast serve\n  holdfast serve --log-format json\n  holdfast serve --once",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runServe(cmd.Context(), &f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.stateDir, "state-dir", "", "`folder` for the state of the service (HOLDFAST_STATE_DIR)")
	fl.StringVar(&f.logFormat, "log-format", "text", "`format` of the log on standard error: text or json")
	fl.TextVar(&f.logLevel, "log-level", &slog.LevelVar{}, "least `level` of what is logged: debug, info, warn or error")
	fl.BoolVar(&f.once, "once", false, "run what is due, and end")
	fl.BoolVar(&f.rebuild, "rebuild", false, "make the state anew from the history and the repositories, and go on with it")
	fl.StringArrayVar(&f.hosts, "host", nil, "with --rebuild, whose receipts of runs count: the `name` that the lost machine had (may be repeated)")
	fl.DurationVar(&f.grace, "grace", service.DefaultGrace, "how long runs may take to end when the service does, as a `duration`")
	return cmd
}

func (c *command) runServe(ctx context.Context, f *serveFlags) error {
	path, err := config.Find(c.global.config, os.Getenv)
	lacks := errors.Is(err, config.ErrNotFound)
	if lacks {
		if path, err = config.UserPath(os.Getenv); err == nil {
			c.ui.infof("there is no holdfast.yaml yet, and so no plan: %s is read once it is there. The dashboard and `holdfast protect` write it", path)
		}
	}
	if err != nil {
		return err
	}
	if path == config.SystemPath && !exists(path) { // units name it before it is there
		lacks = true
		c.ui.infof("there is no %s yet, and so no plan. The dashboard and `holdfast protect` write it", path)
	}
	cache, err := c.cacheDir()
	if err != nil {
		return err
	}
	log, err := f.logger(c)
	if err != nil {
		return err
	}
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	var rebuild *service.Rebuild
	if len(f.hosts) > 0 && !f.rebuild {
		return errors.New("--host is for --rebuild")
	}
	if f.rebuild {
		if rebuild, err = c.gatherRebuild(ctx, f.hosts); err != nil {
			return err
		}
	}
	err = service.Serve(ctx, service.Options{
		ConfigPath: path, StateDir: f.stateDir, Log: log, Reload: reload, Once: f.once, Grace: f.grace, Version: Version, Rebuild: rebuild,
		CacheDir: cache, MayLack: lacks && !f.once, FirstToken: c.firstToken(),
	})
	if errors.Is(err, ledger.ErrInUse) {
		return &codeError{exitLocked, err}
	}
	return err
}

// firstToken returns what shows the first token; nil where only others would
// see it, and then none is made.
func (c *command) firstToken() func(token, url string) {
	if toJournal() {
		return nil
	}
	return c.showFirstToken
}

// showFirstToken shows the administrator what opens the dashboard: once, and
// not in the log, which others may read.
func (c *command) showFirstToken(token, url string) {
	c.ui.note("\nThe dashboard is at " + url + "\nYour token, shown this once, for an administrator:\n\n    " + token +
		"\n\nKeep it where you keep passwords. `holdfast token create` makes others.\n\n")
}

func (f *serveFlags) logger(c *command) (*slog.Logger, error) {
	o := &slog.HandlerOptions{Level: &f.logLevel}
	switch f.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(c.streams.Err, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(c.streams.Err, o)), nil
	}
	return nil, fmt.Errorf("--log-format %s: write text or json", f.logFormat)
}

// stateFlag says where the state of the service is.
type stateFlag struct{ dir string }

func (f *stateFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.dir, "state-dir", "", "`folder` with the state of the service (HOLDFAST_STATE_DIR)")
}

// state returns the folder with the state of the service.
func (f *stateFlag) state(c *command) (service.Dir, error) {
	configured := ""
	if cfg, err := c.loadConfig(); err == nil { // without one the usual places are looked at
		configured = cfg.Service.StateDir
	}
	dir, err := service.FindStateDir(f.dir, configured, os.Getenv)
	return service.Dir(dir), err
}
