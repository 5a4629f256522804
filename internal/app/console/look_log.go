package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/api"
)

// logMessage is what `wal status` tells of one log archive.
type logMessage struct {
	Location string `json:"location"`
	Ranges   []struct {
		Timeline int    `json:"timeline"`
		Start    string `json:"start_lsn"`
		End      string `json:"end_lsn"`
		From     string `json:"from"`
		To       string `json:"to"`
	} `json:"ranges"`
	Gaps     []string `json:"gaps"`
	Unproven []string `json:"unproven"`
	Pruned   []string `json:"pruned"`
	Backups  []struct {
		Snapshot string    `json:"snapshot"`
		Ended    time.Time `json:"ended"`
		Timeline int       `json:"timeline"`
		Reach    string    `json:"reach"`
	} `json:"base_backups"`
	Oldest     *time.Time `json:"oldest_recoverable"`
	Newest     *time.Time `json:"newest_recoverable"`
	Server     string     `json:"server_lsn"`
	LagBytes   *int64     `json:"lag_bytes"`
	LagSeconds *float64   `json:"lag_seconds"`
	Needs      bool       `json:"needs_base_backup"`
	Why        string     `json:"needs_base_backup_why"`
}

func (m *logMessage) seen() api.LogArchive {
	l := api.LogArchive{
		Location: m.Location, Parts: []api.LogPart{}, Gaps: m.Gaps, Unproven: m.Unproven, Pruned: m.Pruned, Bases: []api.LogBase{},
		Server: m.Server, LagBytes: m.LagBytes, LagSeconds: m.LagSeconds,
	}
	for _, r := range m.Ranges {
		l.Parts = append(l.Parts, api.LogPart(r))
	}
	for _, b := range m.Backups {
		l.Bases = append(l.Bases, api.LogBase{Snapshot: b.Snapshot, Ended: b.Ended, Timeline: b.Timeline, Reach: b.Reach})
	}
	if m.Oldest != nil {
		l.Oldest = *m.Oldest
	}
	if m.Newest != nil {
		l.Newest = *m.Newest
	}
	if m.Needs {
		l.Needs = m.Why
	}
	return l
}

// Log implements api.Looker.
func (c *Console) Log(ctx context.Context, q api.LogQuery) ([]api.LogArchive, error) {
	cfg := c.o.Config()
	plan, ok := cfg.Plans[q.Plan]
	if !ok {
		return nil, noPlan(q.Plan)
	}
	var databases []string
	for _, source := range plan.Sources {
		if isRecovered(cfg.Sources[source]) {
			databases = append(databases, source)
		}
	}
	switch {
	case len(databases) == 0:
		return nil, fmt.Errorf("%w: plan %s has no database whose log is archived", api.ErrNotFound, q.Plan)
	case q.Source == "" && len(databases) == 1:
		q.Source = databases[0]
	case !slices.Contains(databases, q.Source):
		return nil, fmt.Errorf("%w: name a source of plan %s: %s", api.ErrInvalid, q.Plan, strings.Join(databases, ", "))
	}
	archives := []api.LogArchive{}
	err := c.read(ctx, of("log_status", func(m logMessage) { archives = append(archives, m.seen()) }), "wal", "status", "--plan", q.Plan, "--source", q.Source)
	if failed := new(commandError); errors.As(err, &failed) && len(archives) > 0 { // it also fails for what the answer tells
		err = nil
	}
	return archives, unavailable(err)
}
