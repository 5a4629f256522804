package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/history"
)

func newRunShow(c *command) *cobra.Command {
	var state stateFlag
	var withLog bool
	cmd := &cobra.Command{
		Use:   "show [flags] RUN",
		Short: "Show a run that ended, and what it printed",
		Long: `Show a run of the service that ended: what it did, its parts and, with --log,
what it printed. The service need not be running.`,
		Example: "  holdfast run show 20260301-020000-9f3a2c --log",
		Args:    cobra.ExactArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return c.runRunShow(state, args[0], withLog) },
	}
	state.register(cmd)
	cmd.Flags().BoolVar(&withLog, "log", false, "show what it printed, too")
	return cmd
}

func (c *command) runRunShow(state stateFlag, id string, withLog bool) error {
	runs, err := c.runs(state, history.Filter{})
	if err != nil {
		return err
	}
	for k := range runs {
		if runs[k].ID != id {
			continue
		}
		c.ui.message(runMessage{"run", &runs[k]})
		c.showRun(&runs[k])
		if withLog {
			return c.showRunLog(state, &runs[k])
		}
		return nil
	}
	return fmt.Errorf("there is no run %q in the history; see `holdfast run list`", id)
}

func (c *command) showRun(r *history.Run) {
	line := func(name, value string) {
		if value != "" {
			c.ui.printf("%-12s %s\n", name, value)
		}
	}
	line("run", r.ID)
	line("plan", r.Plan)
	line("repository", r.Repository)
	line("job", jobName(r))
	line("outcome", string(r.Outcome))
	line("reason", r.Reason)
	line("trigger", fmt.Sprintf("%s, attempt %d", r.Trigger, r.Attempt))
	if !r.Due.IsZero() {
		line("due", r.Due.Local().Format(time.DateTime))
	}
	if !r.Started.IsZero() {
		line("started", r.Started.Local().Format(time.DateTime))
	}
	line("ended", r.Ended.Local().Format(time.DateTime)+" after "+spent(r.Took()))
	line("size", sizeOf(r))
	for _, snapshot := range r.Snapshots {
		line("snapshot", fmt.Sprintf("%.8s", snapshot))
	}
	for _, p := range r.Phases {
		line("phase", fmt.Sprintf("%s: %s %s", p.Name, spent(p.Took), p.Error))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Figures)) {
		line("figure", fmt.Sprintf("%s %g", name, r.Figures[name]))
	}
}

// showRunLog prints the log of a run as it is.
func (c *command) showRunLog(state stateFlag, r *history.Run) error {
	dir, err := state.state(c)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(dir.LogsDir(), r.ID+".log"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the log of run %s is not there any more", r.ID)
	}
	if err != nil {
		return fmt.Errorf("read the log of the run: %w", err)
	}
	_, err = io.Copy(c.streams.Out, f)
	return errors.Join(err, f.Close())
}
