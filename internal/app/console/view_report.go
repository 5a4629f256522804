package console

import (
	"context"
	"fmt"
	"maps"
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
	zone := c.Zone()
	r := &api.Report{
		Plan: *p, Month: month, Made: now,
		From: time.Date(month.Year, month.Month, 1, 0, 0, 0, 0, zone), To: time.Date(month.Year, month.Month+1, 1, 0, 0, 0, 0, zone),
		Runs: map[string]map[string]int{}, Failures: []api.Run{}, Tests: []api.RestoreTest{}, Changes: []api.Change{},
	}
	if !r.From.Before(now) {
		return nil, fmt.Errorf("%w: %s has not begun", api.ErrInvalid, month)
	}
	lacks := &lacking{}
	if now.Before(r.To) {
		lacks.add("the month is not over: it tells of the time until " + now.In(zone).Format("2006-01-02 15:04 MST"))
		r.To = now
	}
	if err := c.reportRuns(r, lacks); err != nil {
		return nil, err
	}
	c.reportTests(ctx, r, lacks)
	if err := c.reportEvents(r, lacks); err != nil {
		return nil, err
	}
	c.reportChanges(r, lacks)
	if len(r.Runs) == 0 && len(r.Tests) == 0 && len(r.Changes) == 0 {
		lacks.add("nothing is on record of this month")
	}
	r.Incomplete = strings.Join(lacks.what, "; ")
	return r, nil
}

// lacking is what a report does not have.
type lacking struct{ what []string }

func (l *lacking) add(what string) { l.what = append(l.what, what) }

// Zone is that of the service: of its months, and of all times that it shows.
func (c *Console) Zone() *time.Location {
	name := c.o.Config().Service.Timezone
	if z, err := time.LoadLocation(name); err == nil && name != "" {
		return z
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
	newest, err := c.lastPoint(r) // recovery point before the one looked at; zero before the first
	if err != nil {
		return err
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
		if backsUp(run.Job) && run.Outcome.Good() {
			gap(run.Ended)
			newest = run.Started
		}
		if run.Outcome != history.Succeeded && len(r.Failures) < reportFailures {
			r.Failures = append(r.Failures, c.runOf(run))
		}
	}
	gap(r.To)
	if slices.ContainsFunc(r.Plan.Sources, func(s api.Source) bool { return !s.LogTo.IsZero() }) {
		r.WorstRPO = 0 // the log has points between the backups
		lacks.add("the longest time between recovery points is not known: the archived log closes the gaps between backups; when the promise was broken, events tell")
	}
	slices.Reverse(r.Failures)
	return nil
}

// backsUp tells whether a job makes recovery points.
func backsUp(job history.Job) bool { return job == history.Backup || job == history.Protect }

// lastPoint is the last recovery point before a month, zero for none.
func (c *Console) lastPoint(r *api.Report) (last time.Time, err error) {
	err = c.eachGood(r.Plan.Name, r.From, 1, []history.Job{history.Backup, history.Protect}, func(run *history.Run) {
		if run.Started.After(last) {
			last = run.Started
		}
	})
	return last, err
}

// firstOf is when the first run of some jobs that was good ended, as far as the
// history goes back; zero for none.
func (c *Console) firstOf(r *api.Report, jobs ...history.Job) (first time.Time, err error) {
	err = c.eachGood(r.Plan.Name, r.To, 0, jobs, func(run *history.Run) {
		if first.IsZero() || run.Ended.Before(first) {
			first = run.Ended
		}
	})
	return first, err
}

// eachGood calls found with the runs of some jobs that were good, at most limit
// of each kind, the newest.
func (c *Console) eachGood(plan string, until time.Time, limit int, jobs []history.Job, found func(*history.Run)) error {
	for _, job := range jobs {
		for _, outcome := range []history.Outcome{history.Succeeded, history.Partial} {
			runs, err := c.o.History.Select(history.Filter{Plan: plan, Job: job, Outcome: outcome, Until: until, Limit: limit})
			if err := c.passDamage(err); err != nil {
				return err
			}
			for k := range runs {
				found(&runs[k])
			}
		}
	}
	return nil
}

// readBy is what a backup read; other runs read the repository, not the source.
func readBy(run *history.Run) uint64 {
	if backsUp(run.Job) {
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
	backed, err := c.firstOf(r, history.Backup, history.Protect)
	if err != nil {
		return err
	}
	tested, err := c.firstOf(r, history.RestoreTest, history.Protect)
	if err != nil {
		return err
	}
	for k := range r.Tests {
		if at := r.Tests[k].Time; tested.IsZero() || at.Before(tested) {
			tested = at
		}
	}
	r.RPOBrokenSeconds = brokenSince(backed, events, r, "RPO")
	r.RTOBrokenSeconds = brokenSince(tested, events, r, "RTO")
	if backed.IsZero() {
		lacks.add("there is no recovery point yet: promises count from the first one on")
	}
	if tested.IsZero() {
		lacks.add("no restore was measured yet, so how long one takes is not known")
	}
	return nil
}

// brokenSince is how many seconds of a month a promise was broken from when it
// could first be kept: with the first recovery point, or restore test.
func brokenSince(first time.Time, events []event.Event, r *api.Report, name string) float64 {
	if first.IsZero() {
		return 0
	}
	if first.Before(r.From) {
		first = r.From
	}
	return brokenFor(events, r.Plan.Name+"/objective/"+name, first, r.To)
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
	for _, name := range slices.Sorted(maps.Keys(e.About)) {
		what += " " + name + "=" + e.About[name]
	}
	return api.Change{Time: e.Time, By: e.By, What: what}, true
}
