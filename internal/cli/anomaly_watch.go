package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/anomaly"
	"holdfast/internal/app"
	"holdfast/internal/app/service"
	"holdfast/internal/config"
	"holdfast/internal/event"
	"holdfast/internal/hold"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// anomalyMessage tells of a backup that is unlike those before it.
type anomalyMessage struct {
	MessageType string           `json:"message_type"` // "anomaly"
	Plan        string           `json:"plan"`
	Source      string           `json:"source"`
	Snapshot    id.ID            `json:"snapshot"`
	LastGood    *id.ID           `json:"last_good,omitempty"`
	Signals     []anomaly.Signal `json:"signals"`
	Reason      string           `json:"reason"`
	// Hold is the ID of the hold that was placed, if any.
	Hold string `json:"hold,omitempty"`
}

func (m anomalyMessage) addTo(r *service.Report) {
	next := "look at the snapshot with `holdfast diff`"
	if m.Hold != "" {
		next = "nothing is removed until `holdfast hold release " + m.Hold + "`: " + next
	}
	e := event.Event{
		Time: time.Now(), Kind: event.Anomaly, Severity: event.Critical, Plan: m.Plan, Source: m.Source,
		Key:     event.AnomalyKey(m.Plan, m.Source),
		Summary: fmt.Sprintf("the backup of %s in plan %s is unlike those before it: %s; %s", m.Source, m.Plan, m.Reason, next),
		Details: map[string]string{"snapshot": m.Snapshot.Short()},
	}
	if m.LastGood != nil {
		e.Details["last good snapshot"] = m.LastGood.Short()
	}
	r.Events = append(r.Events, e)
}

// anomalyOverMessage tells that a backup is again like those before the one
// that was not, where nothing is held: a release of the hold tells it else.
type anomalyOverMessage struct {
	MessageType string `json:"message_type"` // "anomaly_over"
	Plan        string `json:"plan"`
	Source      string `json:"source"`
	Snapshot    id.ID  `json:"snapshot"`
}

func (m anomalyOverMessage) addTo(r *service.Report) {
	r.Events = append(r.Events, event.Event{
		Time: time.Now(), Kind: event.Anomaly, Severity: event.Info, Plan: m.Plan, Source: m.Source, Over: true,
		Key:     event.AnomalyKey(m.Plan, m.Source),
		Summary: fmt.Sprintf("the backup of %s in plan %s is like those before it again", m.Source, m.Plan),
		Details: map[string]string{"snapshot": m.Snapshot.Short()},
	})
}

// watch compares the backups of this run with those before them, and holds
// what there is when one is too unlike. A snapshot with a hold is better than
// none: what goes wrong here is told and fails nothing.
func (p *planRun) watch(ctx context.Context, r *repository.Repository, since time.Time) {
	if p.plan.Anomaly.Off {
		return
	}
	if err := p.watchAll(ctx, r, since); err != nil && ctx.Err() == nil {
		p.ui.warn("anomaly watch", p.name, err)
	}
}

func (p *planRun) watchAll(ctx context.Context, r *repository.Repository, since time.Time) error {
	all, err := p.snapshots(ctx, r)
	if err != nil {
		return err
	}
	active, err := hold.Active(ctx, r)
	if err != nil {
		return err
	}
	var failed []error
	for _, source := range p.plan.Sources {
		row := p.rowOf(source, all)
		if n := len(row); n > 0 && !row[n-1].Time.Before(since) {
			failed = append(failed, p.judge(ctx, r, source, row, active))
		}
	}
	return errors.Join(failed...)
}

// rowOf returns the snapshots of a source that tell what changed, oldest
// first.
func (p *planRun) rowOf(source string, all []*snapshot.Snapshot) []*snapshot.Snapshot {
	var row []*snapshot.Snapshot
	for _, s := range all {
		if of, ok := app.SourceOf(p.cfg, p.name, s); ok && of == source && s.Summary != nil {
			row = append(row, s)
		}
	}
	slices.SortStableFunc(row, func(a, b *snapshot.Snapshot) int { return a.Time.Compare(b.Time) })
	return row
}

// judge asks the rule about the newest snapshot of a row, and acts on it.
func (p *planRun) judge(ctx context.Context, r *repository.Repository, source string, row []*snapshot.Snapshot, active []hold.Hold) error {
	suspectSince := suspectSince(active, p.name, source, row)
	runs := make([]anomaly.Run, len(row))
	byID := make(map[string]*snapshot.Snapshot, len(row))
	for n, s := range row {
		runs[n] = figuresOf(s)
		runs[n].Suspect = !suspectSince.IsZero() && !s.Time.Before(suspectSince)
		byID[runs[n].Snapshot] = s
	}
	newest := row[len(row)-1]
	verdict := anomaly.Judge(runs[:len(runs)-1], runs[len(runs)-1], anomalySettings(p.plan.Anomaly))
	if !verdict.Anomalous {
		if p.plan.Anomaly.AlertOnly && suspectSince.IsZero() && p.wasAnomalous(runs[:len(runs)-1]) {
			p.ui.message(anomalyOverMessage{"anomaly_over", p.name, source, newest.ID})
		}
		return nil
	}
	m := anomalyMessage{"anomaly", p.name, source, newest.ID, nil, verdict.Signals, verdict.Reason(), ""}
	if good := byID[verdict.LastGood]; good != nil {
		m.LastGood = &good.ID
	}
	var err error
	if suspectSince.IsZero() && !p.plan.Anomaly.AlertOnly {
		m.Hold, err = p.hold(ctx, r, &m)
	}
	p.ui.message(m)
	p.ui.warn("anomaly watch", source, fmt.Errorf("this backup is unlike those before it: %s", m.Reason))
	if m.Hold != "" {
		p.ui.infof("no snapshot of it is removed until `holdfast hold release %s`", m.Hold)
	}
	return err
}

// wasAnomalous tells whether the last of some runs was unlike those before it.
func (p *planRun) wasAnomalous(runs []anomaly.Run) bool {
	n := len(runs) - 1
	return n > 0 && anomaly.Judge(runs[:n], runs[n], anomalySettings(p.plan.Anomaly)).Anomalous
}

// hold keeps what there is, and returns the ID of the hold.
func (p *planRun) hold(ctx context.Context, r *repository.Repository, m *anomalyMessage) (string, error) {
	placed, err := hold.Place(ctx, r, hold.Hold{
		By: hold.Anomaly, Reason: m.Reason, Plan: m.Plan, Source: m.Source, Suspect: &m.Snapshot, LastGood: m.LastGood,
	})
	if errors.Is(err, storage.ErrUnsupported) {
		return "", errors.New("this repository cannot keep a hold: stop forget and prune by hand until somebody looked")
	}
	if err != nil {
		return "", err
	}
	return placed.ID, nil
}

// suspectSince returns since when the backups of a source are held for an
// anomaly, zero if they are not.
func suspectSince(active []hold.Hold, plan, source string, row []*snapshot.Snapshot) time.Time {
	for i := range active {
		h := &active[i]
		if h.By != hold.Anomaly || h.Plan != plan || h.Source != source || h.Suspect == nil {
			continue
		}
		for _, s := range row {
			if s.ID == *h.Suspect || s.Original != nil && *s.Original == *h.Suspect {
				return s.Time
			}
		}
		return h.Time // it is gone
	}
	return time.Time{}
}

func figuresOf(s *snapshot.Snapshot) anomaly.Run {
	sum := s.Summary
	return anomaly.Run{
		Time: s.Time, Snapshot: s.ID.String(),
		Files: sum.TotalFilesProcessed, New: sum.FilesNew, Changed: sum.FilesChanged,
		Bytes: sum.TotalBytesProcessed, Added: sum.DataAdded, Stored: sum.DataAddedPacked,
		Rows: sum.Rows, Whole: s.Parent == nil,
	}
}

// anomalySettings fills in what a plan does not say.
func anomalySettings(c config.Anomaly) anomaly.Settings {
	set := anomaly.Defaults()
	if c.Runs > 0 {
		set.Runs = c.Runs
	}
	if c.Deviations > 0 {
		set.Deviations = c.Deviations
	}
	if c.Signals > 0 {
		set.Signals = c.Signals
	}
	return set
}
