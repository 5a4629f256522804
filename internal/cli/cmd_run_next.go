package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/controller"
)

func newRunNext(c *command) *cobra.Command {
	var state stateFlag
	var plan string
	cmd := &cobra.Command{
		Use:   "next [flags]",
		Short: "Tell what runs now and what is due next",
		Long: `Ask the running service what runs now, what waits and for what, and what is due
next.`,
		Example: "  holdfast run next\n  holdfast run next --plan shop --json",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runRunNext(cmd.Context(), state, plan) },
	}
	state.register(cmd)
	cmd.Flags().StringVar(&plan, "plan", "", "only jobs of this `plan`")
	return cmd
}

func (c *command) runRunNext(ctx context.Context, state stateFlag, plan string) error {
	dir, err := state.state(c)
	if err != nil {
		return err
	}
	client, err := dir.Connect()
	if err != nil {
		return err
	}
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	jobs := slices.DeleteFunc(status.Jobs, func(j controller.Status) bool { return plan != "" && j.Plan != plan })
	slices.SortStableFunc(jobs, func(a, b controller.Status) int { return a.Next.Compare(b.Next) })
	var rows [][]string
	for k := range jobs {
		j := &jobs[k]
		c.ui.message(jobMessage{"job", j})
		rows = append(rows, []string{j.Job, whenNext(j), jobState(j), lastOf(j)})
	}
	if !c.ui.json {
		c.ui.table([]string{"Job", "Next", "Now", "Last"}, rows)
	}
	return nil
}

// jobMessage is what a job does.
type jobMessage struct {
	MessageType string `json:"message_type"` // "job"
	*controller.Status
}

func whenNext(j *controller.Status) string {
	if j.Next.IsZero() {
		return ""
	}
	when := j.Next.Local().Format(time.DateTime)
	if j.NextVariant != "" {
		when += " " + j.NextVariant
	}
	return when
}

func jobState(j *controller.Status) string {
	switch {
	case j.Running != nil:
		return "running since " + j.Running.Started.Local().Format(time.TimeOnly) + " (" + j.Running.ID + ")"
	case j.Paused != nil:
		return "paused since " + j.Paused.Since.Local().Format(time.DateTime)
	}
	return j.Waiting
}

func lastOf(j *controller.Status) string {
	if j.Last == nil {
		return ""
	}
	return string(j.Last.Outcome) + " " + j.Last.At.Local().Format(time.DateTime)
}
