package console

import (
	"context"
	"slices"
	"strings"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/event"
	"holdfast/internal/history"
)

const (
	// reportEvents and reportChanges bound what is read for a report. What is
	// over is said to be missing.
	reportEvents  = 20_000
	reportChanges = 5_000
	// reportFailures bounds the runs that are listed one by one.
	reportFailures = 500
)

// Report implements api.Viewer: what the history, the restore tests, the events
// and the audit log say about a month, and what they cannot say.
func (c *Console) Report(ctx context.Context, plan string, month api.Month) (*api.Report, error) {
	now := time.Now()
	p, err := c.Plan(ctx, plan)
	if err != nil {
		return nil, err
	}
	zone := c.zone(plan)
	r := &api.Report{
		Plan: *p, Month: month, Made: now,
		From: time.Date(month.Year, month.Month, 1, 0, 0, 0, 0, zone), To: time.Date(month.Year, month.Month+1, 1, 0, 0, 0, 0, zone),
		Runs: map[string]map[string]int{}, Failures: []api.Run{}, Tests: []api.RestoreTest{}, Changes: []api.Change{},
	}
	lacks := &lacking{}
	if now.Before(r.To) {
		lacks.add("the month is not over: it tells of the time until " + now.In(zone).Format("2006-01-02 15:04 MST"))
		r.To = now
	}
	if err := c.reportRuns(r, lacks); err != nil {
		return nil, err
	}
	if err := c.reportEvents(r, lacks); err != nil {
		return nil, err
	}
	c.reportTests(ctx, r, lacks)
	c.reportChanges(r, lacks)
	r.Incomplete = strings.Join(lacks.what, "; ")
	return r, nil
}

// lacking is what a report does not have.
type lacking struct{ what []string }

func (l *lacking) add(what string) { l.what = append(l.what, what) }

// zone is that of a plan's schedules.
func (c *Console) zone(plan string) *time.Location {
	cfg := c.o.Config()
	for _, name := range []string{cfg.Plans[plan].Timezone, cfg.Service.Timezone} {
		if z, err := time.LoadLocation(name); err == nil && name != "" {
			return z
		}
	}
	return time.Local
}

// reportRuns counts the runs, and finds the longest time between two good
// backups.
func (c *Console) reportRuns(r *api.Report, lacks *lacking) error {
	runs, err := c.o.History.Select(history.Filter{Plan: r.Plan.Name, Since: r.From, Until: r.To})
	if passed := c.passDamage(err); passed != nil {
		return passed
	} else if err != nil {
		lacks.add("some runs of the history are damaged and left out")
	}
	if oldest, ok := c.oldestRun(r.Plan.Name); !ok || oldest.After(r.From) {
		lacks.add("the history begins after the month did")
	}
	newest := time.Time{} // backup before the one looked at; zero before the first
	if earlier, err := c.o.History.Select(history.Filter{Plan: r.Plan.Name, Job: history.Backup, Outcome: history.Succeeded, Until: r.From, Limit: 1}); err == nil && len(earlier) == 1 {
		newest = earlier[0].Started
	}
	gap := func(until time.Time) {
		if !newest.IsZero() {
			r.WorstRPO = max(r.WorstRPO, until.Sub(newest).Seconds())
		}
	}
	for k := range slices.Backward(runs) { // the oldest first
		run := &runs[k]
		job := string(run.Job)
		if r.Runs[job] == nil {
			r.Runs[job] = map[string]int{}
		}
		r.Runs[job][string(run.Outcome)]++
		r.BytesRead += readBy(run)
		r.BytesAdded += run.Added
		if run.Job == history.Backup && run.Outcome.Good() {
			gap(run.Ended)
			newest = run.Started
		}
		if run.Outcome != history.Succeeded && len(r.Failures) < reportFailures {
			r.Failures = append(r.Failures, c.runOf(run))
		}
	}
	gap(r.To)
	if len(r.Plan.Sources) > 0 && slices.ContainsFunc(r.Plan.Sources, func(s api.Source) bool { return !s.LogTo.IsZero() }) {
		lacks.add("the longest time between recovery points counts backups; the archived log closes gaps between them")
	}
	slices.Reverse(r.Failures)
	return nil
}

// readBy is what a backup read; other runs read the repository, not the source.
func readBy(run *history.Run) uint64 {
	if run.Job == history.Backup {
		return run.Bytes
	}
	return 0
}

// oldestRun is when the oldest run of a plan ended that is kept.
func (c *Console) oldestRun(plan string) (time.Time, bool) {
	at, ok := c.o.History.Oldest(plan)
	return at, ok
}

// reportEvents adds up how long objectives were broken.
func (c *Console) reportEvents(r *api.Report, lacks *lacking) error {
	events, err := c.o.Events.Select(history.EventFilter{Plan: r.Plan.Name, Until: r.To, Limit: reportEvents})
	if passed := c.passDamage(err); passed != nil {
		return passed
	} else if err != nil {
		lacks.add("some events are damaged and left out")
	}
	if len(events) == reportEvents && events[len(events)-1].Time.After(r.From) {
		lacks.add("there are more events than are read for a report")
	}
	r.RPOBrokenSeconds = brokenFor(events, r.Plan.Name+"/objective/RPO", r.From, r.To)
	r.RTOBrokenSeconds = brokenFor(events, r.Plan.Name+"/objective/RTO", r.From, r.To)
	return nil
}

// brokenFor is how many seconds a promise was broken between two times, by
// events that come newest first.
func brokenFor(events []event.Event, key string, from, to time.Time) float64 {
	broken, since, sum := false, from, time.Duration(0)
	until := func(at time.Time) {
		if at.Before(from) {
			at = from
		}
		if broken {
			sum += at.Sub(since)
		}
		since = at
	}
	for _, e := range slices.Backward(events) {
		if e.Key != key {
			continue
		}
		until(e.Time)
		broken = !e.Over && e.Kind == event.ObjectiveBreached
	}
	until(to)
	return sum.Seconds()
}

// reportTests adds the restore tests of the month.
func (c *Console) reportTests(ctx context.Context, r *api.Report, lacks *lacking) {
	page, err := c.RestoreTests(ctx, api.RestoreTestQuery{Plan: r.Plan.Name, Since: r.From, Until: r.To, Limit: 1000})
	if err != nil {
		lacks.add("the restore tests could not be read: " + err.Error())
		return
	}
	r.Tests = append(r.Tests, page.Tests...)
	for _, u := range page.Unread {
		lacks.add("the restore tests kept in repository " + u.Repository + " could not be read now")
	}
	for k := range r.Tests {
		r.WorstRTO = max(r.WorstRTO, r.Tests[k].RTO.Measured)
	}
}

// reportChanges adds what people did.
func (c *Console) reportChanges(r *api.Report, lacks *lacking) {
	events, err := c.o.Events.Select(history.EventFilter{Since: r.From, Until: r.To, Limit: reportEvents})
	if c.passDamage(err) != nil {
		lacks.add("changes of the configuration could not be read")
	}
	for k := range events {
		e := &events[k]
		switch e.Kind {
		case event.PlanPaused, event.PlanResumed:
			if e.Plan == r.Plan.Name {
				r.Changes = append(r.Changes, api.Change{Time: e.Time, By: e.Details["by"], What: e.Summary})
			}
		case event.ConfigRejected, event.LedgerRebuilt:
			r.Changes = append(r.Changes, api.Change{Time: e.Time, What: e.Summary})
		}
	}
	if c.o.Audit != nil {
		entries, err := c.o.Audit(r.From, reportChanges)
		if err != nil {
			lacks.add("the audit log could not be read: " + err.Error())
		}
		for k := range entries {
			if change, ok := changeOf(&entries[k], r); ok {
				r.Changes = append(r.Changes, change)
			}
		}
	}
	slices.SortStableFunc(r.Changes, func(a, b api.Change) int { return b.Time.Compare(a.Time) })
}

// changeOf is an act of a person as a report tells of it: one that was done,
// and that is about the plan or one of its repositories.
func changeOf(e *api.AuditEntry, r *api.Report) (api.Change, bool) {
	if e.Status >= 400 || e.Act == "" || e.Method == "GET" || e.Act == "login" || e.Act == "logout" || !e.Time.Before(r.To) {
		return api.Change{}, false
	}
	about := e.About["plan"] == r.Plan.Name
	for _, place := range r.Plan.Places {
		about = about || e.About["plan"] == "" && e.About["repository"] == place.Repository
	}
	if !about {
		return api.Change{}, false
	}
	what := e.Act
	for _, name := range sortedKeys(e.About) {
		what += " " + name + "=" + e.About[name]
	}
	return api.Change{Time: e.Time, By: e.By, What: what}, true
}
