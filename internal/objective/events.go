package objective

import (
	"fmt"
	"time"

	"holdfast/internal/event"
)

// Changes returns the events that tell of what changed between two looks at a
// plan. before is nil at the first one. What stays as it was is told by none;
// what is kept again ends the problem that was told before.
func Changes(before, after *Standings, now time.Time) []event.Event {
	if before == nil {
		before = &Standings{Plan: after.Plan, RPO: Standing{State: Met}, RTO: Standing{State: Met}}
	}
	var events []event.Event
	for _, o := range [...]struct {
		name          string
		before, after *Standing
	}{{"RPO", &before.RPO, &after.RPO}, {"RTO", &before.RTO, &after.RTO}} {
		if e, ok := change(after.Plan, o.name, o.before, o.after); ok {
			e.Time = now
			events = append(events, e)
		}
	}
	return events
}

// level orders states by how bad they are.
func (s *Standing) level() int {
	switch {
	case s.Broken():
		return 2
	case s.State == Near:
		return 1
	}
	return 0
}

// change returns the event that tells of a change; false if there is none.
func change(plan, name string, before, after *Standing) (e event.Event, ok bool) {
	was, is := before.level(), after.level()
	if was == is {
		return e, false
	}
	e = event.Event{
		Plan: plan, Source: after.Source, Key: plan + "/objective/" + name,
		Details: map[string]string{"objective": name, "state": string(after.State), "promised": after.Promised.String()},
	}
	if after.State != Unknown {
		e.Details["measured"] = after.Value.String()
	}
	switch is {
	case 2:
		e.Kind, e.Severity = event.ObjectiveBreached, event.Critical
		e.Summary = fmt.Sprintf("%s of plan %s is breached: %s, and %s is promised; %s", name, plan, after.text(), after.Promised, after.Reason)
		if after.State == Unknown {
			e.Summary = fmt.Sprintf("%s of plan %s is not known, and %s is promised: %s", name, plan, after.Promised, after.Reason)
		}
	case 1:
		e.Kind, e.Severity = event.ObjectiveNear, event.Warning
		e.Summary = fmt.Sprintf("%s of plan %s is near to what is promised: %s of %s; %s", name, plan, after.text(), after.Promised, after.Reason)
	default:
		e.Kind, e.Severity, e.Over = event.ObjectiveNear, event.Info, true
		if was == 2 {
			e.Kind = event.ObjectiveBreached
		}
		e.Summary = fmt.Sprintf("%s of plan %s is kept again: %s, and %s is promised", name, plan, after.text(), after.Promised)
	}
	return e, true
}

func (s *Standing) text() string { return rounded(s.Value).String() }
