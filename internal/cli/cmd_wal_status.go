package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/wal"
)

func newWALStatus(c *command) *cobra.Command {
	var f walFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what the log archive has, and what is missing",
		Long: `Show for each repository of the plan which parts of the log are archived, by
timeline, from when to when, and what is missing in between. A gap means that
nothing after it can be restored from a base backup before it.

Exit code 1 when there is a gap, or when the newest log is older than the
plan's promised RPO.`,
		Example: "  holdfast wal status --plan shop --json",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runWALStatus(cmd.Context(), f) },
	}
	f.register(cmd.Flags())
	return cmd
}

// logRangeMessage is a part of the log without a gap.
type logRangeMessage struct {
	System   string `json:"system"`
	Timeline uint32 `json:"timeline"`
	Start    string `json:"start_lsn"`
	End      string `json:"end_lsn"`
	From     string `json:"from"`
	To       string `json:"to"`
}

// logStatusMessage is the state of one log archive.
type logStatusMessage struct {
	MessageType string            `json:"message_type"` // "log_status"
	Location    string            `json:"location"`
	Ranges      []logRangeMessage `json:"ranges"`
	Gaps        []string          `json:"gaps"`
}

func (c *command) runWALStatus(ctx context.Context, f walFlags) error {
	archives, err := c.readableLogs(ctx, f)
	if err != nil {
		return err
	}
	broken := false
	for _, archive := range archives {
		status, err := wal.Inspect(ctx, archive)
		if err != nil {
			return fmt.Errorf("%s: %w", archive.Location(), err)
		}
		broken = broken || len(status.Gaps) > 0
		c.printLogStatus(archive.Location(), status)
	}
	if broken {
		return errors.New("the log archive has gaps; take a new base backup, and find out why")
	}
	return nil
}

func (c *command) printLogStatus(location string, status *wal.Status) {
	m := logStatusMessage{MessageType: "log_status", Location: location, Ranges: []logRangeMessage{}, Gaps: []string{}}
	c.ui.printf("log archive %s\n", location)
	if len(status.Parts) == 0 {
		c.ui.printf("  nothing is archived yet\n")
	}
	for _, p := range status.Parts {
		r := logRangeMessage{
			p.Stream, p.Line, p.Start.LSN(), p.End.LSN(),
			p.From.Local().Format(time.DateTime), p.To.Local().Format(time.DateTime),
		}
		m.Ranges = append(m.Ranges, r)
		c.ui.printf("  timeline %d  %s to %s  archived %s to %s\n", r.Timeline, r.Start, r.End, r.From, r.To)
	}
	for _, gap := range status.Gaps {
		m.Gaps = append(m.Gaps, gap.String())
		c.ui.printf("  GAP  %s\n", gap)
	}
	c.ui.message(m)
}
