package cli

import (
	"cmp"
	"fmt"
	"time"

	"holdfast/internal/event"
	"holdfast/internal/evidence"
)

// event tells people of a restore test by itself, apart from the run: the next
// run may be of another place and succeed, and this one is still not proven. It
// is false for a test that found out nothing.
func (m *verifyMessage) event() (e event.Event, judged bool) {
	e = event.Event{
		Time: time.Now(), Plan: m.Plan, Source: m.Source, Repository: m.From, Key: event.RestoreTestKey(m.Plan, m.Source, m.From),
		Details: map[string]string{"point": m.Point},
	}
	if m.Snapshot != "" {
		e.Details["snapshot"] = fmt.Sprintf("%.8s", m.Snapshot)
	}
	switch m.Verdict {
	case evidence.Proven:
		e.Kind, e.Severity, e.Over = event.RestoreTestPassed, event.Info, true
		e.Summary = fmt.Sprintf("%s of plan %s came back from %s in a restore test", m.Source, m.Plan, m.From)
		return e, true
	case evidence.Failed:
		e.Kind, e.Severity = event.RestoreTestFailed, event.Critical
		m.identify(&e)
		instead := ""
		if m.instead != "" {
			instead = "; " + m.instead
		}
		e.Summary = fmt.Sprintf("%s of plan %s does NOT come back from %s: %s%s; `holdfast evidence list --failed -r %s` shows the record",
			m.Source, m.Plan, m.From, m.wrong(), instead, cmp.Or(m.EvidenceIn, m.From))
		return e, true
	}
	return e, false
}

// identify tells one failure from others of the source and the repository: each
// is over when what failed comes back, and no sooner.
func (m *verifyMessage) identify(e *event.Event) {
	e.Details[event.DetailFailure] = string(m.failed.what)
	switch m.failed.what {
	case evidence.OfPlace: // any good test ends it
		return
	case evidence.OfPoint:
		e.Key += fmt.Sprintf("/%.8s", m.failed.original)
	default:
		e.Key += "/" + string(m.failed.what)
	}
	e.Details[event.DetailOriginal] = m.failed.original
	e.Details[event.DetailInstant] = m.failed.instant.UTC().Format(time.RFC3339Nano)
}

// wrong names the first thing that is.
func (m *verifyMessage) wrong() string {
	if len(m.Findings) == 0 {
		return "no reason is known"
	}
	text := printable(m.Findings[0])
	if more := len(m.Findings) - 1; more > 0 {
		text += fmt.Sprintf("; and %s more", countOf(more, "problem"))
	}
	return text
}
