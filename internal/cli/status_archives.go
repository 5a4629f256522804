package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/archive"
	"holdfast/internal/config"
	"holdfast/internal/evidence"
	"holdfast/internal/schedule"
	"holdfast/storage"
)

// archivesStatusMessage tells of the place of a plan's archives.
type archivesStatusMessage struct {
	MessageType string `json:"message_type"` // "archives_status"
	Plan        string `json:"plan"`
	Place       string `json:"place"`
	Archives    int    `json:"archives"`
	// Newest is the time of the newest snapshot that is archived.
	Newest *time.Time `json:"newest,omitempty"`
	// ReadBack is when all of them were last read back without error, Opened that
	// a key was there for it, and Bad when one was last found to be wrong.
	ReadBack *time.Time `json:"last_read_back,omitempty"`
	Opened   bool       `json:"opened,omitempty"`
	Bad      *time.Time `json:"last_error,omitempty"`
	// Incomplete are archives whose export was cut off, or goes on.
	Incomplete []string `json:"incomplete,omitempty"`
	// Missing says what is wrong, and what to do; nothing if all is well.
	Missing []string `json:"missing"`
}

// tellArchives tells of the archives of a plan, if it has any, and whether
// something is wrong with them.
func (r *statusRun) tellArchives(ctx context.Context, plan string) (wrong bool) {
	if r.cfg == nil || r.cfg.Plans[plan].Archives == nil {
		return false
	}
	p := r.cfg.Plans[plan]
	m := archivesStatusMessage{MessageType: "archives_status", Plan: plan, Place: p.Archives.To, Missing: []string{}}
	found, err := r.overview(ctx, p.Archives.To)
	export := "; `holdfast archive export --plan " + plan + "` makes one"
	switch {
	case errors.Is(err, storage.ErrNotFound):
		m.Missing = append(m.Missing, "nothing was archived yet"+export)
	case err != nil:
		m.Missing = append(m.Missing, fmt.Sprintf("they cannot be looked at: %v", err))
	default:
		m.Archives, m.Incomplete = found.Archives, found.Incomplete
		r.addReadBack(&m, r.lastRead(p))
		for _, damaged := range found.Damaged {
			m.Missing = append(m.Missing, damaged.Err.Error())
		}
		if found.Newest == nil {
			m.Missing = append(m.Missing, "there is no archive"+export)
			break
		}
		m.Newest = instant(found.Newest.Snapshot.Time)
		if due := archiveDue(p, found.Newest.Created, r.now, len(found.Incomplete) > 0); !due.IsZero() && r.backedUpSince(plan, found.Newest.Snapshot.Time) {
			m.Missing = append(m.Missing, fmt.Sprintf("the one that was due at %s was not made%s", due.Local().Format(timeFormat), export))
		}
	}
	r.ui.message(m)
	if !r.ui.json {
		r.printArchives(&m)
	}
	return len(m.Missing) > 0
}

// lastRead says when the archives of a plan were last read back, as its
// repository has it.
func (r *statusRun) lastRead(p config.Plan) evidence.LastRead {
	found := r.surveys[r.cfg.Repositories[p.Repository].URL]
	if found.Survey == nil {
		return evidence.LastRead{}
	}
	return found.Archives[p.Archives.To]
}

func (r *statusRun) addReadBack(m *archivesStatusMessage, last evidence.LastRead) {
	m.ReadBack, m.Opened, m.Bad = instant(last.Good), last.Opened, instant(last.Bad)
	if m.Bad != nil {
		m.Missing = append(m.Missing, fmt.Sprintf("errors were found on %s; `holdfast archive verify %s` names them, then archive again what cannot be relied on",
			m.Bad.Local().Format(timeFormat), m.Place))
	}
}

// overview looks at a place of archives.
func (r *statusRun) overview(ctx context.Context, url string) (*archive.Overview, error) {
	shelf, err := r.openShelf(ctx, url, false)
	if err != nil {
		return nil, err
	}
	found, err := shelf.Overview(ctx)
	return found, errors.Join(err, storage.Close(shelf.Store))
}

// backedUpSince tells whether there is anything newer to archive.
func (r *statusRun) backedUpSince(plan string, t time.Time) bool {
	return slices.ContainsFunc(r.sourcesNow(plan), func(s statusSource) bool { return s.Newest.After(t) })
}

// archiveDue returns when an archive was due that was not made, the zero time
// if none was. It is given a tenth of the time to the next, for it may wait for
// other work, and while one is under way all of it.
func archiveDue(p config.Plan, newest, now time.Time, underWay bool) time.Time {
	zone := time.Local
	if z, err := time.LoadLocation(p.Timezone); err == nil && p.Timezone != "" {
		zone = z
	}
	e, err := schedule.Parse(p.Archives.Schedule, zone)
	if err != nil || p.Archives.Schedule == "" {
		return time.Time{}
	}
	due := e.Next(newest)
	after := e.Next(due)
	late := after
	if !underWay {
		late = due.Add(min(max(after.Sub(due)/10, time.Hour), after.Sub(due)))
	}
	if due.IsZero() || after.IsZero() || late.After(now) {
		return time.Time{}
	}
	return due
}

// readBack says when they were read back.
func (m *archivesStatusMessage) readBack(now time.Time) string {
	switch {
	case m.ReadBack == nil:
		return "never read back without error (`holdfast archive verify` does)"
	case m.Opened:
		return fmt.Sprintf("all read back and opened %s ago", spent(now.Sub(*m.ReadBack)))
	}
	return fmt.Sprintf("all read back %s ago, and not opened for want of a key", spent(now.Sub(*m.ReadBack)))
}

func (r *statusRun) printArchives(m *archivesStatusMessage) {
	text := countOf(m.Archives, "archive")
	if m.Newest != nil {
		text += fmt.Sprintf(", the newest of %s, %s ago", m.Newest.Local().Format(timeFormat), spent(r.now.Sub(*m.Newest)))
	}
	if m.Archives > 0 {
		text += ", " + m.readBack(r.now)
	}
	r.ui.printf("archives of plan %s in %s: %s\n", m.Plan, m.Place, text)
	for _, name := range m.Incomplete {
		r.ui.printf("  %s is not complete: its export was cut off, or goes on now\n", name)
	}
	for _, missing := range m.Missing {
		r.ui.printf("  archives: %s\n", printable(missing))
	}
	r.ui.printf("\n")
}
