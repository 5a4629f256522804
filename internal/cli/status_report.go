package cli

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"holdfast/internal/app/status"
	"holdfast/internal/objective"
	"holdfast/internal/pitr"
	"holdfast/internal/redundancy"
)

// planStatusMessage is how one plan stands.
type planStatusMessage struct {
	MessageType string `json:"message_type"` // "plan_status"
	Plan        string `json:"plan,omitempty"`
	Score       string `json:"score"` // such as "3-2-1-1-0"
	Copies      int    `json:"copies"`
	Media       int    `json:"media"`
	OffSite     int    `json:"off_site"`
	Immutable   int    `json:"immutable"`
	Errors      int    `json:"errors"`
	Met         bool   `json:"met"`
	// Newest is the newest recovery point of the source that is worst off.
	Newest *time.Time `json:"newest,omitempty"`
	// RPO and RTO are what would be lost now, and how long a restore takes.
	RPO          standingMessage      `json:"rpo"`
	RTO          standingMessage      `json:"rto"`
	Sources      []statusSource       `json:"sources,omitempty"`
	Repositories []statusRepository   `json:"repositories"`
	Missing      []redundancy.Missing `json:"missing"`
}

// statusSource is the newest that any repository of the plan holds of a source.
type statusSource struct {
	Source string    `json:"source"` // HOST:SOURCE
	Newest time.Time `json:"newest"`
	// LogTo is how far the log of a database leads.
	LogTo *time.Time `json:"log_to,omitempty"`
	// LogRanges are the times of which every instant can be restored to from
	// one of the repositories, the oldest first.
	LogRanges []pitr.Span `json:"log_ranges,omitempty"`
	// Logs are what each repository has of the log.
	Logs  []statusLog `json:"logs,omitempty"`
	Bytes uint64      `json:"bytes,omitempty"`
}

// statusLog is what one repository has of the log of a source.
type statusLog struct {
	Repository string      `json:"repository"`
	To         *time.Time  `json:"to,omitempty"`
	Ranges     []pitr.Span `json:"ranges"`
	// Unproven is why newer log may be lost unnoticed, "" if it would be
	// noticed.
	Unproven string `json:"unproven,omitempty"`
}

// statusRepository is what is known of one repository.
type statusRepository struct {
	Name  string `json:"name"`
	Media string `json:"media,omitempty"`
	Site  string `json:"site,omitempty"`
	// Down says why it cannot be listed; the rest is then as it was last seen.
	Down          string     `json:"down,omitempty"`
	Seen          *time.Time `json:"seen,omitempty"`
	Newest        *time.Time `json:"newest,omitempty"`
	Holds         bool       `json:"holds_newest"`
	Lost          string     `json:"lost,omitempty"` // what its newest snapshot needs and is not there
	BehindSeconds float64    `json:"behind_seconds,omitempty"`
	Protected     *time.Time `json:"immutable_until,omitempty"`
	Mode          string     `json:"immutable_mode,omitempty"`
	ReadBack      *time.Time `json:"last_read_back,omitempty"`
	Share         float64    `json:"read_back_share,omitempty"`
	Bad           *time.Time `json:"last_error,omitempty"`
	Snapshots     int        `json:"snapshots,omitempty"`
	// Restored is what they hold when restored, as each says; 0 if one does not.
	Restored uint64 `json:"restored_bytes,omitempty"`
	// Held says of whose snapshots none may be removed.
	Held []status.Key `json:"held,omitempty"`
	// Tests are the newest restore tests of the plan from this repository.
	Tests []status.Test `json:"restore_tests,omitempty"`
	// RPO and RTO are those if only this repository were left.
	RPO       standingMessage `json:"rpo"`
	RTO       standingMessage `json:"rto"`
	standings objective.CopyStandings
}

// tell prints how one plan stands, and returns whether nothing is missing.
func (r *statusRun) tell(s *redundancy.Score, f redundancy.Facts, o *objective.Standings) bool {
	m := planStatusMessage{
		MessageType: "plan_status", Plan: f.Plan, Score: s.String(),
		Copies: s.Copies, Media: s.Media, OffSite: s.OffSite, Immutable: s.Immutable, Errors: s.Errors,
		Met: s.Met(), Newest: instant(s.Newest), Missing: append([]redundancy.Missing{}, s.Missing...),
		RPO: newStandingMessage(o.RPO), RTO: newStandingMessage(o.RTO),
	}
	for n := range f.Copies {
		one := statusOf(&f.Copies[n], s, n)
		one.standings = o.Copies[n]
		r.addSurveyed(&one, f.Plan, f.Copies[n].Name)
		one.RPO, one.RTO = newStandingMessage(o.Copies[n].RPO), newStandingMessage(o.Copies[n].RTO)
		m.Repositories = append(m.Repositories, one)
	}
	m.Sources = r.sourcesNow(f.Plan)
	m.Missing = append(m.Missing, unproven(m.Sources)...)
	m.Missing = append(m.Missing, brokenPromises(f.Plan, o)...)
	m.Met = len(m.Missing) == 0
	r.ui.message(m)
	if r.ui.json {
		return m.Met
	}
	title := "plan " + f.Plan
	if f.Plan == "" {
		title = "repository " + f.Copies[0].Name
	}
	r.ui.printf("%s: %s%s\n", title, s, map[bool]string{false: " (3-2-1-1-0 is the aim)"}[m.Met])
	var rows [][]string
	for n := range m.Repositories {
		rows = append(rows, r.row(&m.Repositories[n]))
	}
	r.ui.table([]string{"REPOSITORY", "NEWEST POINT", "MEDIA", "SITE", "IMMUTABLE UNTIL", "READ BACK", "RPO", "RTO"}, rows)
	r.tellObjectives(o)
	for _, missing := range m.Missing {
		r.ui.printf("  %s: %s\n    next: %s\n", missing.Rule, missing.What, missing.Next)
	}
	r.ui.printf("\n")
	return m.Met
}

// addSurveyed adds what the survey of a repository says besides.
func (r *statusRun) addSurveyed(m *statusRepository, plan, name string) {
	for _, p := range r.plans {
		for _, one := range p.copies {
			found := r.surveys[one.place.url]
			if p.name != plan || found.Survey == nil {
				continue
			}
			for _, t := range found.Tests {
				if t.Plan == plan && t.From == name {
					m.Tests = append(m.Tests, t)
				}
			}
			if one.name == name {
				m.Snapshots, m.Restored, m.Held = found.Snapshots, found.Bytes, found.Held
			}
		}
	}
}

// sourcesNow returns the newest there is of each source of a plan.
func (r *statusRun) sourcesNow(plan string) (all []statusSource) {
	newest := make(map[string]statusSource)
	for _, p := range r.plans {
		for _, one := range p.copies {
			found := r.surveys[one.place.url]
			if p.name != plan || found.Survey == nil {
				continue
			}
			for key, at := range found.Points[plan] {
				s := newest[key]
				if s.Source = key; at.After(s.Newest) {
					s.Newest, s.Bytes = at, found.Sizes[plan][key]
				}
				if log, ok := found.Logs[plan][withoutHost(key)]; ok {
					s.addLog(one.name, &log)
				}
				newest[key] = s
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(newest)) {
		all = append(all, newest[key])
	}
	return all
}

// addLog adds what a repository has of its log.
func (s *statusSource) addLog(repository string, log *status.Log) {
	to := instant(log.To)
	if to != nil && (s.LogTo == nil || to.After(*s.LogTo)) {
		s.LogTo = to
	}
	s.LogRanges = pitr.Join(append(s.LogRanges, log.Spans...))
	s.Logs = append(s.Logs, statusLog{repository, to, append([]pitr.Span{}, log.Spans...), log.Unproven})
}

func statusOf(c *redundancy.Copy, s *redundancy.Score, n int) statusRepository {
	var newest time.Time // of the source that is worst off
	for _, t := range c.Points {
		if newest.IsZero() || t.Before(newest) {
			newest = t
		}
	}
	return statusRepository{
		Name: c.Name, Media: c.Media, Site: c.Site, Down: c.Down, Seen: instant(c.Seen), Newest: instant(newest),
		Holds: s.Holds[n], Lost: c.Lost, BehindSeconds: s.Behind[n].Seconds(), Protected: instant(c.Protected), Mode: c.Mode,
		ReadBack: instant(c.LastGood), Share: c.Share, Bad: instant(c.LastBad),
	}
}

// instant returns nil for no time, which JSON leaves out.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// row is the line of one repository in the table.
func (r *statusRun) row(m *statusRepository) []string {
	newest := shownTime(m.Newest)
	switch {
	case m.Down != "" && m.Seen != nil:
		newest += " (as seen " + m.Seen.Local().Format(timeFormat) + ")"
	case m.Down != "":
		newest = "not known"
	case m.Lost != "":
		newest += " (not whole)"
	case !m.Holds && m.BehindSeconds > 0:
		newest += " (behind)"
	case !m.Holds && m.Newest != nil:
		newest += " (incomplete)"
	}
	read := shownTime(m.ReadBack)
	switch {
	case m.Bad != nil && (m.ReadBack == nil || !m.ReadBack.After(*m.Bad)):
		read = "ERRORS " + shownTime(m.Bad)
	case m.ReadBack == nil:
		read = "never"
	case m.Share > 0 && m.Share < 1:
		read += fmt.Sprintf(" (%.0f%%)", max(1, 100*m.Share))
	}
	locked := shownTime(m.Protected)
	if m.Protected != nil && m.Mode != "" {
		locked += " (" + m.Mode + ")"
	}
	return []string{m.Name, newest, shown(m.Media), shown(m.Site), locked, read, standingText(&m.standings.RPO), standingText(&m.standings.RTO)}
}

// shown is a value, or a dash for none.
func shown(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func shownTime(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Local().Format(timeFormat)
}
