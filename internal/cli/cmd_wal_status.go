package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/logarchive"
	"holdfast/internal/pitr"
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

Base backups are shown with what they are good for: any instant from then on,
this point only (what 'wal prune' leaves of those before the window of
keep.within), or lost, when the log that they cannot do without is gone.

Exit code 1 when a base backup is lost, there is a gap, or when the newest log is older than the
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
	MessageType string              `json:"message_type"` // "log_status"
	Location    string              `json:"location"`
	Ranges      []logRangeMessage   `json:"ranges"`
	Gaps        []string            `json:"gaps"`
	Pruned      []string            `json:"pruned"`
	Backups     []baseBackupMessage `json:"base_backups"`
}

func (c *command) runWALStatus(ctx context.Context, f walFlags) error {
	source, repositories, err := c.logPlaces(f)
	if err != nil {
		return err
	}
	var failures []error
	for _, l := range repositories {
		if err := c.showLogStatus(ctx, l, source, f); err != nil {
			failures = append(failures, fmt.Errorf("log archive of %s: %w", l.name, err))
		}
	}
	return errors.Join(failures...)
}

// showLogStatus prints the state of the log archive in one repository.
func (c *command) showLogStatus(ctx context.Context, l logRepository, source string, f walFlags) error {
	archive, err := c.openLog(ctx, l, source, true, false)
	if err != nil {
		return err
	}
	status, err := wal.Inspect(ctx, archive)
	if err != nil {
		return err
	}
	plan, err := c.baseBackups(ctx, l, archive, source, f, status)
	if err != nil {
		// Who may read the log alone still learns of gaps.
		c.ui.warn("look at the base backups", l.name, err)
		plan = &pitr.PrunePlan{}
	}
	m := c.printLogStatus(archive.Location(), status, plan)
	switch {
	case len(m.Gaps) > 0:
		return errors.New("it has gaps; take a new base backup, and find out why")
	case slices.ContainsFunc(m.Backups, func(b baseBackupMessage) bool { return b.Reach == pitr.ReachLost }):
		return errors.New("a base backup lacks the log that it needs; it cannot be restored")
	}
	return nil
}

// baseBackups finds out what the base backups are good for, and what pruning
// leaves on purpose.
func (c *command) baseBackups(ctx context.Context, l logRepository, archive *logarchive.Archive, source string, f walFlags, status *wal.Status) (*pitr.PrunePlan, error) {
	r, err := c.openPlace(ctx, l.place)
	if err != nil {
		return nil, err
	}
	snapshots, err := c.loadAll(ctx, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	segments, err := archive.List(ctx, "")
	if err != nil {
		return nil, err
	}
	facts := pitr.PruneFacts{Facts: logFacts(status), Segments: segments, Now: time.Now()}
	facts.Points = pitr.Points(snapshots, source)
	if cfg, err := c.loadConfig(); err == nil {
		if _, plan, err := logPlan(cfg, f); err == nil {
			facts.Window = windowFrom(windowOf(plan, l.name))
		}
	}
	return pitr.PlanPrune(facts), nil
}

// logFacts takes from the state of the log what a recovery has to know.
func logFacts(status *wal.Status) pitr.Facts {
	facts := pitr.Facts{Histories: status.Histories}
	for _, part := range status.Parts {
		facts.Log = append(facts.Log, pitr.LogPart{Range: part.Range, To: part.To})
	}
	return facts
}

func (c *command) printLogStatus(location string, status *wal.Status, plan *pitr.PrunePlan) logStatusMessage {
	m := logStatusMessage{
		MessageType: "log_status", Location: location, Ranges: []logRangeMessage{},
		Gaps: []string{}, Pruned: []string{}, Backups: []baseBackupMessage{},
	}
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
		if harmless(gap, plan.Floors) {
			m.Pruned = append(m.Pruned, gap.String())
			continue
		}
		m.Gaps = append(m.Gaps, gap.String())
		c.ui.printf("  GAP  %s\n", gap)
	}
	for _, point := range plan.Points {
		b := newBaseBackupMessage(point)
		m.Backups = append(m.Backups, b)
		c.ui.printf("  base backup %s\n", b)
	}
	c.ui.message(m)
	return m
}
