package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/hold"
	"holdfast/internal/logarchive"
	"holdfast/internal/pitr"
	"holdfast/internal/postgres"
	"holdfast/internal/retention"
	"holdfast/internal/size"
	"holdfast/internal/wal"
	"holdfast/repository"
	"holdfast/storage"
)

func newWALPrune(c *command) *cobra.Command {
	var f walFlags
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove log that no promised point in time needs",
		Long: `Remove log from the archives of the plan's repositories.

The plan's keep.within (of a copy: its own) is the point-in-time window: from
the newest base backup at or before its beginning on, all log stays. Older base
backups that are still kept keep the log they need for themselves; they can be
restored as they were at their end only. Without keep.within all log since the
oldest base backup stays.

The window ends when the newest log was archived. Nothing before it goes while
no base backup leads into it, or one that does lacks its log, or a timeline is
not known. Slices of segments that are archived whole go too, and payloads
without a record that are older than a day.`,
		Example: "  holdfast wal prune --plan shop --dry-run\n  holdfast wal prune --plan shop",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runWALPrune(cmd.Context(), f, dryRun) },
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "remove nothing, only tell what would be removed")
	return cmd
}

func (c *command) runWALPrune(ctx context.Context, f walFlags, dryRun bool) error {
	s, err := c.logSource(f)
	if err != nil {
		return err
	}
	cfg, err := c.loadConfig()
	if err != nil {
		return err
	}
	_, plan, err := logPlan(cfg, f)
	if err != nil {
		return err
	}
	var failures []error
	for _, l := range s.repositories {
		p := &logPrune{command: c, at: l, source: s.name, within: plan.KeepIn(l.name).Within, dryRun: dryRun}
		if err := p.inSlices(ctx); err != nil {
			failures = append(failures, fmt.Errorf("log archive of %s: %w", l.name, err))
		}
	}
	return errors.Join(failures...)
}

// logPrune prunes the log archive in one repository.
type logPrune struct {
	*command
	at     logRepository
	source string
	within retention.Duration
	dryRun bool
	// more tells that the time of a slice was up.
	more bool
}

const (
	// logPruneSlice is how long log is removed before others get to the
	// repository, and logPrunePause how long they have for that: they look for
	// its lock again after a few seconds.
	logPruneSlice = 30 * time.Second
	logPrunePause = 10 * time.Second
	// logRemovedAtOnce is how much is removed before the time is looked at.
	logRemovedAtOnce = 200
)

// inSlices prunes until nothing is left to do, and lets others in between.
func (p *logPrune) inSlices(ctx context.Context) error {
	for {
		p.more = false
		r, err := p.openPlace(ctx, p.at.place)
		if err == nil {
			err = errors.Join(p.locked(ctx, r, changing(p.dryRun), p.run), r.Close())
		}
		if err != nil || !p.more {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(logPrunePause):
		}
	}
}

// remove removes segments until the time is up.
func (p *logPrune) remove(ctx context.Context, archive *logarchive.Archive, segments []logarchive.Segment) (left []logarchive.Segment, err error) {
	var locked logarchive.LockedError
	all := len(segments)
	for end := time.Now().Add(logPruneSlice); len(segments) > 0; {
		if time.Now().After(end) {
			p.more = all > len(segments)+len(locked.Segments) // without progress there is no end
			break
		}
		batch := segments[:min(logRemovedAtOnce, len(segments))]
		segments = segments[len(batch):]
		var some *logarchive.LockedError
		if err := archive.Remove(ctx, batch); errors.As(err, &some) {
			locked.Segments, locked.Until = append(locked.Segments, some.Segments...), some.Until
		} else if err != nil {
			return segments, err
		}
	}
	if len(locked.Segments) > 0 {
		return segments, &locked
	}
	return segments, nil
}

// run plans, shows and executes, under the lock that base backups take, too.
func (p *logPrune) run(ctx context.Context, r *repository.Repository) error {
	facts, archive, err := p.recoveryFacts(ctx, r, p.at, p.source)
	if err != nil || archive == nil {
		return err
	}
	survey, err := archive.Survey(ctx)
	if err != nil {
		return err
	}
	linked, err := wal.LinkedSlices(ctx, archive, survey.Segments)
	if err != nil {
		return err
	}
	now := time.Now()
	plan := pitr.PlanPrune(pitr.PruneFacts{
		Facts: facts, Segments: survey.Segments, Linked: linked, Window: windowFrom(p.within), Now: now,
	})
	strays := wal.OldStrays(survey, now)
	m := p.show(archive.Location(), plan, survey, strays)
	if p.dryRun {
		p.ui.message(m)
		return nil
	}
	if len(plan.Remove)+len(strays) > 0 {
		if err := mayPrune(hold.Active(ctx, r)); err != nil {
			return err
		}
	}
	segments := make([]logarchive.Segment, len(plan.Remove))
	for k, removal := range plan.Remove {
		segments[k] = removal.Segment
	}
	may, err := wal.Unmark(ctx, archive, survey.Segments, segments)
	if err != nil {
		return err
	}
	m.keep(lackingFrom(may, segments), survey)
	left, err := p.remove(ctx, archive, may)
	m.leave(left, survey)
	if locked := (*logarchive.LockedError)(nil); errors.As(err, &locked) {
		p.ui.warn("prune the log", p.at.name, fmt.Errorf("%w; run the command again then", locked))
		m.keep(locked.Segments, survey)
	} else if err != nil {
		return fmt.Errorf("%w; what is left is removed by the next run", err)
	}
	if err := archive.RemoveStrays(ctx, strays); err != nil && !errors.Is(err, storage.ErrImmutable) {
		return err
	}
	p.ui.message(m)
	return nil
}

// lackingFrom returns those of all segments that are not among some.
func lackingFrom(some, all []logarchive.Segment) []logarchive.Segment {
	return slices.DeleteFunc(slices.Clone(all), func(s logarchive.Segment) bool { return slices.Contains(some, s) })
}

// windowFrom returns where a window begins; nil for no window.
func windowFrom(within retention.Duration) func(time.Time) time.Time {
	if within == (retention.Duration{}) {
		return nil
	}
	return within.Before
}

// logPrunedMessage tells what a log archive was relieved of.
type logPrunedMessage struct {
	MessageType  string              `json:"message_type"` // "log_pruned"
	Location     string              `json:"location"`
	DryRun       bool                `json:"dry_run,omitempty"`
	WindowFrom   *time.Time          `json:"window_from,omitempty"`
	Floors       []logFloorMessage   `json:"floors"`
	Backups      []baseBackupMessage `json:"base_backups"`
	Segments     []logRemovalMessage `json:"removed"`
	Strays       int                 `json:"removed_strays"`
	RemovedBytes int64               `json:"removed_bytes"`
	// Locked are the names of segments that had to stay.
	Locked []string `json:"locked,omitempty"`
}

// keep takes segments out of what was removed: a retention holds them.
func (m *logPrunedMessage) keep(locked []logarchive.Segment, survey *logarchive.Survey) {
	for _, s := range locked {
		m.Locked = append(m.Locked, s.Name)
	}
	m.leave(locked, survey)
}

// leave takes segments out of what was removed: they are for the next slice.
func (m *logPrunedMessage) leave(left []logarchive.Segment, survey *logarchive.Survey) {
	stay := make(map[logRemovalMessage]bool, len(left))
	for _, s := range left {
		m.RemovedBytes -= survey.SizeBytes(s)
		stay[newLogRemoval(s, "")] = true
	}
	m.Segments = slices.DeleteFunc(m.Segments, func(r logRemovalMessage) bool {
		r.Reason = ""
		return stay[r]
	})
}

// logFloorMessage tells from where on all log of a cluster stays.
type logFloorMessage struct {
	System  string `json:"system"`
	At      string `json:"lsn,omitempty"`
	Why     string `json:"why"`
	Blocked bool   `json:"blocked,omitempty"`
}

// logRemovalMessage is one segment that goes.
type logRemovalMessage struct {
	Timeline uint32 `json:"timeline"`
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Start    string `json:"start_lsn"`
	End      string `json:"end_lsn"`
	Reason   string `json:"reason"`
}

func newLogRemoval(s logarchive.Segment, why string) logRemovalMessage {
	return logRemovalMessage{s.Line, s.Name, string(s.Kind), s.Start.LSN(), s.End.LSN(), why}
}

// show prints the plan and returns it as a message.
func (p *logPrune) show(location string, plan *pitr.PrunePlan, survey *logarchive.Survey, strays []logarchive.Stray) logPrunedMessage {
	m := logPrunedMessage{
		MessageType: "log_pruned", Location: location, DryRun: p.dryRun,
		Floors: []logFloorMessage{}, Backups: []baseBackupMessage{}, Segments: []logRemovalMessage{}, Strays: len(strays),
	}
	p.ui.printf("log archive %s\n", location)
	if plan.From.IsZero() {
		p.ui.printf("  no window (the plan has no keep.within): all log since the oldest base backup stays\n")
	} else {
		m.WindowFrom = &plan.From
		p.ui.printf("  the window begins %s (keep.within %s)\n", plan.From.Local().Format(time.DateTime), p.within)
	}
	for _, floor := range plan.Floors {
		m.Floors = append(m.Floors, p.showFloor(floor))
	}
	for _, point := range plan.Points {
		b := newBaseBackupMessage(point)
		m.Backups = append(m.Backups, b)
		p.ui.printf("  base backup %s\n", b)
	}
	type sum struct {
		n     int
		bytes int64
	}
	var reasons []string
	sums := map[string]sum{}
	for _, removal := range plan.Remove {
		m.Segments = append(m.Segments, newLogRemoval(removal.Segment, removal.Reason))
		if !slices.Contains(reasons, removal.Reason) {
			reasons = append(reasons, removal.Reason)
		}
		bytes := survey.SizeBytes(removal.Segment)
		sums[removal.Reason] = sum{sums[removal.Reason].n + 1, sums[removal.Reason].bytes + bytes}
		m.RemovedBytes += bytes
	}
	for _, stray := range strays {
		m.RemovedBytes += stray.SizeBytes
	}
	verb := "remove"
	if p.dryRun {
		verb = "would remove"
	}
	for _, reason := range reasons {
		p.ui.printf("  %s %d files, %s: %s\n", verb, sums[reason].n, size.FormatBytes(sums[reason].bytes), reason)
	}
	if len(strays) > 0 {
		p.ui.printf("  %s %d payloads of uploads that were cut off\n", verb, len(strays))
	}
	if len(reasons) == 0 && len(strays) == 0 {
		p.ui.printf("  there is nothing to remove\n")
	}
	return m
}

func (p *logPrune) showFloor(floor pitr.Floor) logFloorMessage {
	m := logFloorMessage{System: floor.System, Why: floor.Why, Blocked: floor.Blocked}
	switch {
	case floor.Blocked:
		p.ui.printf("  cluster %s: all log stays for now: %s\n", floor.System, floor.Why)
	case floor.At == pitr.NoFloor:
		p.ui.printf("  cluster %s: %s\n", floor.System, floor.Why)
	default:
		m.At = floor.At.String()
		p.ui.printf("  cluster %s: all log from %s on stays: %s\n", floor.System, m.At, floor.Why)
	}
	return m
}

// baseBackupMessage tells what a base backup is good for.
type baseBackupMessage struct {
	Snapshot string     `json:"snapshot"`
	Ended    time.Time  `json:"ended"`
	Timeline uint32     `json:"timeline"`
	Reach    pitr.Reach `json:"reach"`
	Until    string     `json:"until_lsn"`
}

func newBaseBackupMessage(p pitr.PointState) baseBackupMessage {
	return baseBackupMessage{p.Snapshot.ID.String(), p.Ended, p.Timeline, p.Reach, p.Until.String()}
}

// String is a line about the backup for people.
func (m baseBackupMessage) String() string {
	good := map[pitr.Reach]string{
		pitr.ReachEnd:   "any instant from then on",
		pitr.ReachGap:   "any instant up to " + m.Until + ", where the log has a gap",
		pitr.ReachPoint: "this point only",
		pitr.ReachLost:  "LOST: the log that it needs is gone",
	}[m.Reach]
	return fmt.Sprintf("%.8s  %s  timeline %d  %s", m.Snapshot, m.Ended.Local().Format(time.DateTime), m.Timeline, good)
}

// harmless tells whether a gap is one that pruning left on purpose.
func harmless(gap logarchive.Gap, floors []pitr.Floor) bool {
	return slices.ContainsFunc(floors, func(f pitr.Floor) bool {
		return f.System == gap.Stream && postgres.LSN(gap.End) <= f.At
	})
}
