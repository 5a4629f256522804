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
	"holdfast/internal/size"
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

The server is asked how far its log is: what the archive lacks is shown in bytes
and seconds. The log of an idle server is archived to its end, however long ago
that was written.

Base backups are shown with what they are good for: any instant from then on,
this point only (what 'wal prune' leaves of those before the window of
keep.within), or lost, when the log that they cannot do without is gone.

Exit code 1 when a new base backup is needed, because no other leads to the end
of the log or one is lost, or when more is missing than the plan's rpo allows.`,
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
	Unproven    []string            `json:"unproven"` // why newer log may be lost unnoticed
	Pruned      []string            `json:"pruned"`
	Lost        []logLostMessage    `json:"lost"`
	Backups     []baseBackupMessage `json:"base_backups"`
	// The instants between which everything can be recovered, apart from gaps.
	Oldest *time.Time `json:"oldest_recoverable,omitempty"`
	Newest *time.Time `json:"newest_recoverable,omitempty"`
	// How far the server is, when it could be asked, and what the archive lacks.
	Server     string   `json:"server_lsn,omitempty"`
	LagBytes   *int64   `json:"lag_bytes,omitempty"`
	LagSeconds *float64 `json:"lag_seconds,omitempty"`
	// NeedsBaseBackup tells that only a new base backup makes the newest log
	// good for anything; Why says why.
	NeedsBaseBackup bool   `json:"needs_base_backup"`
	Why             string `json:"needs_base_backup_why,omitempty"`
}

func (c *command) runWALStatus(ctx context.Context, f walFlags) error {
	source, repositories, err := c.logPlaces(f)
	if err != nil {
		return err
	}
	server, rpo := c.serverPosition(ctx, f)
	var failures []error
	for _, l := range repositories {
		if err := c.showLogStatus(ctx, l, source, f, server, rpo); err != nil {
			failures = append(failures, fmt.Errorf("log archive of %s: %w", l.name, err))
		}
	}
	return errors.Join(failures...)
}

// askWithin bounds the question how far a server is.
const askWithin = 10 * time.Second

// serverPosition asks the server how far its log is; nil when holdfast.yaml
// names none, or it cannot be reached. It also returns the promised RPO.
func (c *command) serverPosition(ctx context.Context, f walFlags) (*wal.Position, time.Duration) {
	s, err := c.logSource(f)
	if err != nil {
		return nil, 0 // there is no configuration: the archive alone is looked at
	}
	rpo := time.Duration(s.rpo)
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	dsn, err := postgresDSN(ctx, s.postgres)
	if err != nil {
		c.ui.warn("ask the server how far its log is", s.name, err)
		return nil, rpo
	}
	at, err := wal.PositionOf(ctx, dsn)
	if err != nil {
		c.ui.warn("ask the server how far its log is", s.name, err)
		return nil, rpo
	}
	return &at, rpo
}

// showLogStatus prints the state of the log archive in one repository.
func (c *command) showLogStatus(ctx context.Context, l logRepository, source string, f walFlags, server *wal.Position, rpo time.Duration) error {
	archive, err := c.openLog(ctx, l, source, true, false)
	if err != nil {
		return err
	}
	status, err := wal.Inspect(ctx, archive)
	if err != nil {
		return err
	}
	plan, backupsErr := c.baseBackups(ctx, l, archive, source, f, status)
	if backupsErr != nil {
		// Who may read the log alone still learns of gaps.
		c.ui.warn("look at the base backups", l.name, backupsErr)
		plan = &pitr.PrunePlan{}
	}
	m := newLogStatus(archive.Location(), status, plan)
	m.measure(status, plan, server, time.Now())
	if backupsErr == nil {
		m.judge(status, plan)
	} else if len(m.Gaps) > 0 {
		m.NeedsBaseBackup, m.Why = true, "the log has gaps"
	}
	c.printLogStatus(m, status)
	switch {
	case slices.ContainsFunc(m.Backups, func(b baseBackupMessage) bool { return b.Reach == pitr.ReachLost }):
		return errors.New("a base backup lacks the log that it needs; it cannot be restored")
	case m.NeedsBaseBackup:
		return fmt.Errorf("%s; take a new base backup with `holdfast plan run`", m.Why)
	case rpo > 0 && m.LagSeconds != nil && *m.LagSeconds > rpo.Seconds():
		return fmt.Errorf("the newest log is %v old, and the plan promises %v", time.Duration(*m.LagSeconds*float64(time.Second)).Round(time.Second), rpo)
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
			facts.Window = windowFrom(plan.KeepIn(l.name).Within)
		}
	}
	return pitr.PlanPrune(facts), nil
}

// logFacts takes from the state of the log what a recovery has to know.
func logFacts(status *wal.Status) pitr.Facts {
	facts := pitr.Facts{Histories: status.Histories, Gaps: status.Gaps, Unproven: status.Unproven}
	for _, part := range status.Parts {
		facts.Log = append(facts.Log, pitr.LogPart{Range: part.Range, To: part.To})
	}
	return facts
}

// newLogStatus makes a message of what an archive has.
func newLogStatus(location string, status *wal.Status, plan *pitr.PrunePlan) *logStatusMessage {
	m := &logStatusMessage{
		MessageType: "log_status", Location: location, Ranges: []logRangeMessage{},
		Gaps: []string{}, Unproven: []string{}, Pruned: []string{}, Lost: []logLostMessage{}, Backups: []baseBackupMessage{},
	}
	for _, p := range status.Parts {
		m.Ranges = append(m.Ranges, logRangeMessage{
			p.Stream, p.Line, p.Start.LSN(), p.End.LSN(),
			p.From.Local().Format(time.DateTime), p.To.Local().Format(time.DateTime),
		})
	}
	for _, gap := range status.Gaps {
		if harmless(gap, plan.Floors) {
			m.Pruned = append(m.Pruned, gap.String())
		} else {
			m.Gaps = append(m.Gaps, gap.String())
		}
	}
	for _, err := range status.Unproven {
		m.Unproven = append(m.Unproven, err.Error())
	}
	for _, loss := range status.Lost {
		m.Lost = append(m.Lost, newLogLostMessage("log_lost", loss))
	}
	for _, point := range plan.Points {
		m.Backups = append(m.Backups, newBaseBackupMessage(point))
	}
	return m
}

// measure finds the instants that can be recovered, and what is missing of the
// server's log.
func (m *logStatusMessage) measure(status *wal.Status, plan *pitr.PrunePlan, server *wal.Position, now time.Time) {
	for _, point := range plan.Points {
		if point.Reach != pitr.ReachLost && (m.Oldest == nil || point.Ended.Before(*m.Oldest)) {
			m.Oldest = &point.Ended
		}
	}
	if len(status.Parts) == 0 {
		return
	}
	newest := status.Parts[len(status.Parts)-1].To
	if server != nil {
		m.Server = server.At.String()
		var ranges []logarchive.Range
		for _, p := range status.Parts {
			ranges = append(ranges, p.Range)
		}
		if lag, known := server.Behind(ranges); known {
			m.LagBytes = &lag
			if lag == 0 { // nothing was written since
				newest = now
			}
		}
	}
	lag := max(0, now.Sub(newest).Seconds())
	m.LagSeconds = &lag
	if slices.ContainsFunc(plan.Points, func(p pitr.PointState) bool { return p.Reach == pitr.ReachEnd }) {
		m.Newest = &newest
	}
}

// judge tells whether a new base backup is needed.
func (m *logStatusMessage) judge(status *wal.Status, plan *pitr.PrunePlan) {
	switch {
	case len(status.Parts) == 0, slices.ContainsFunc(plan.Points, func(p pitr.PointState) bool { return p.Reach == pitr.ReachEnd }):
		return
	case len(plan.Points) == 0:
		m.Why = "there is no base backup that the log could be used with"
	case len(m.Gaps) > 0:
		m.Why = "the log has a gap, and no base backup after it"
	default:
		m.Why = "no base backup leads to the end of the log"
	}
	m.NeedsBaseBackup = true
}

func (c *command) printLogStatus(m *logStatusMessage, status *wal.Status) {
	c.ui.message(m)
	c.ui.printf("log archive %s\n", m.Location)
	if len(m.Ranges) == 0 {
		c.ui.printf("  nothing is archived yet\n")
	}
	for _, r := range m.Ranges {
		c.ui.printf("  timeline %d  %s to %s  archived %s to %s\n", r.Timeline, r.Start, r.End, r.From, r.To)
	}
	for _, gap := range m.Gaps {
		c.ui.printf("  GAP  %s\n", gap)
	}
	for _, err := range status.Unproven {
		c.ui.warn("look at the log", m.Location, fmt.Errorf("%w; whether newer log was lost is not known", err))
	}
	for _, loss := range status.Lost {
		c.ui.printf("  let go %s: timeline %d, %s to %s: %s\n", loss.Time.Local().Format(time.DateTime), loss.Timeline, loss.Start, loss.End, loss.Why)
	}
	for _, b := range m.Backups {
		c.ui.printf("  base backup %s\n", b)
	}
	if m.Oldest != nil && m.Newest != nil {
		c.ui.printf("  any instant from %s to %s, apart from gaps\n", m.Oldest.Local().Format(time.DateTime), m.Newest.Local().Format(time.DateTime))
	}
	switch {
	case m.LagBytes == nil:
	case *m.LagBytes == 0:
		c.ui.printf("  the server is at %s: nothing is missing\n", m.Server)
	default:
		c.ui.printf("  the server is at %s: %s are missing, %s at most\n", m.Server, size.FormatBytes(*m.LagBytes),
			time.Duration(*m.LagSeconds*float64(time.Second)).Round(100*time.Millisecond))
	}
}
