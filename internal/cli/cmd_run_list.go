package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/history"
	"holdfast/internal/size"
)

// runListFlags are the flags of `holdfast run list`.
type runListFlags struct {
	state   stateFlag
	plan    string
	job     string
	outcome string
	limit   int
}

func newRunList(c *command) *cobra.Command {
	var f runListFlags
	cmd := &cobra.Command{
		Use:   "list [flags]",
		Short: "List the runs that ended",
		Long: `List the runs of the service that ended, the newest first. The service need not
be running.

A run has succeeded, or is partial (it did its work but for what it names),
failed, interrupted (by the end of the service or the machine; it is run again),
or skipped (it was due and did not begin).`,
		Example: "  holdfast run list\n  holdfast run list --plan shop --outcome failed\n  holdfast run list --job backup -n 100 --json",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return c.runRunList(&f) },
	}
	f.state.register(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.plan, "plan", "", "only runs of this `plan`")
	fl.StringVar(&f.job, "job", "", "only runs of this `job`: "+either(history.Jobs()))
	fl.StringVar(&f.outcome, "outcome", "", "only runs with this `outcome`: "+either(history.Outcomes()))
	fl.IntVarP(&f.limit, "number", "n", 20, "how many `runs` at most; 0 for all")
	return cmd
}

// either lists words, the last of them behind an "or".
func either[T ~string](words []T) string {
	var text strings.Builder
	for n, word := range words {
		switch {
		case n > 0 && n == len(words)-1:
			text.WriteString(" or ")
		case n > 0:
			text.WriteString(", ")
		}
		text.WriteString(string(word))
	}
	return text.String()
}

// mustBeOne refuses the value of a flag that is none of some words.
func mustBeOne[T ~string](flag, value string, words []T) error {
	if value != "" && !slices.Contains(words, T(value)) {
		return fmt.Errorf("%s %q: want %s", flag, value, either(words))
	}
	return nil
}

func (c *command) runRunList(f *runListFlags) error {
	if err := cmp.Or(mustBeOne("--job", f.job, history.Jobs()), mustBeOne("--outcome", f.outcome, history.Outcomes())); err != nil {
		return err
	}
	runs, err := c.runs(f.state, history.Filter{
		Plan: f.plan, Job: history.Job(f.job), Outcome: history.Outcome(f.outcome), Limit: f.limit,
	})
	if err != nil {
		return err
	}
	var rows [][]string
	for k := range runs {
		r := &runs[k]
		c.ui.message(runMessage{"run", r})
		rows = append(rows, []string{
			r.ID, r.Ended.Local().Format(time.DateTime), firstOf(r.Plan, r.Repository), jobName(r), string(r.Outcome), spent(r.Took()), sizeOf(r), printable(r.Reason),
		})
	}
	if len(rows) == 0 {
		c.ui.infof("no such run has ended; `holdfast run next` tells what comes")
	} else if !c.ui.json {
		c.ui.table([]string{"ID", "Ended", "Plan", "Job", "Outcome", "Took", "Size", "Reason"}, rows)
	}
	return nil
}

// runMessage is a run that ended.
type runMessage struct {
	MessageType string `json:"message_type"` // "run"
	*history.Run
}

// runs reads runs from the history. Damaged ones are reported and left out.
func (c *command) runs(state stateFlag, filter history.Filter) ([]history.Run, error) {
	dir, err := state.state(c)
	if err != nil {
		return nil, err
	}
	h, err := history.Open(history.Options{Dir: dir.HistoryDir(), ReadOnly: true})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no history of runs in %s: `holdfast serve` has not run with this state; --state-dir names another", dir)
	}
	if err != nil {
		return nil, err
	}
	runs, err := h.Select(filter)
	if errors.Is(err, history.ErrDamaged) {
		c.ui.warn("history", "", err)
		err = nil
	}
	return runs, errors.Join(err, h.Close())
}

// jobName is what a run did, with the type of a backup.
func jobName(r *history.Run) string {
	if r.Type == "" {
		return string(r.Job)
	}
	return string(r.Job) + " " + r.Type
}

// sizeOf is how much a run read or moved.
func sizeOf(r *history.Run) string {
	if r.Bytes == 0 {
		return ""
	}
	return size.FormatBytes(r.Bytes)
}
