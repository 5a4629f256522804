package controller

import (
	"cmp"
	"slices"
	"time"

	"holdfast/internal/history"
)

// What ranks below backups gives way to them, for waitMost at most, and for a part
// of its period. After that it stands in line with them and, where it needs a
// repository for itself, nothing new begins there before it.
const (
	waitMost   = 6 * time.Hour
	waitPeriod = 4 // as part of the period
)

// dispatch begins what may begin, and returns when to look again at what may
// not yet.
func (c *Controller) dispatch(now time.Time) time.Duration {
	wake := wakeInterval
	var queue []*job
	for _, j := range c.order {
		if j.ready == nil {
			continue
		}
		var at time.Time
		if at, j.waiting = c.notBefore(j, now); at.After(now) {
			wake = min(wake, at.Sub(now))
		} else if j.waiting == "" {
			queue = append(queue, j)
		}
	}
	slices.SortStableFunc(queue, func(a, b *job) int { return before(a, b, now) })
	reserved, waited := map[string]bool{}, c.waitedFor(queue)
	for _, j := range queue {
		if c.failure != nil || c.ctx.Err() != nil {
			break
		}
		if j.waiting = j.givesWay(waited); j.waiting != "" {
			continue
		}
		if j.waiting = c.blocked(j, reserved); j.waiting == "" {
			c.start(j, now)
		} else if j.overdue(now) && needsAlone(j.usesAfter(j.ready.Waits)) {
			for _, use := range j.Uses {
				reserved[use.Repository] = true
			}
		}
	}
	return wake
}

// waitedFor tells of each repository since when runs have waited for it that
// can share it, and wait for nothing else.
func (c *Controller) waitedFor(queue []*job) map[string]time.Time {
	since := map[string]time.Time{}
	for _, j := range queue {
		uses := j.usesAfter(j.ready.Waits)
		if needsAlone(uses) || c.comesAfter(j) != "" {
			continue
		}
		for _, use := range uses {
			if first, ok := since[use.Repository]; !ok || j.since.Before(first) {
				since[use.Repository] = j.since
			}
		}
	}
	return since
}

// givesWay tells why a run that needs a repository for itself lets others begin
// first: one that needs two repositories, as a copy does, would never find both
// free of such runs that come often.
func (j *job) givesWay(waited map[string]time.Time) string {
	uses := j.usesAfter(j.ready.Waits)
	if !needsAlone(uses) || j.ready.Trigger == history.Manual {
		return ""
	}
	for _, use := range uses {
		if since, ok := waited[use.Repository]; ok && since.Before(j.since) {
			return "others have waited for repository " + use.Repository + " for longer"
		}
	}
	return ""
}

// notBefore tells when a run that is ready may begin at the earliest, and why
// not now.
func (c *Controller) notBefore(j *job, now time.Time) (at time.Time, why string) {
	if at = j.ready.NotBefore; at.After(now) {
		return at, "it is tried again later"
	}
	if j.ready.Trigger == history.Manual || j.Continuous {
		return now, ""
	}
	if c.isPaused(j) {
		return now, "the plan is paused"
	}
	if !j.opens.After(now) {
		if j.opens = j.Hours.From(now); j.opens.IsZero() {
			return now, "its windows and blackouts leave no time to begin"
		}
	}
	if j.opens.After(now) {
		return j.opens, "it may not begin at this time of day"
	}
	return now, ""
}

// before orders runs that are ready.
func before(a, b *job, now time.Time) int {
	return cmp.Or(
		cmp.Compare(a.urgency(now), b.urgency(now)),
		a.since.Compare(b.since),
		a.ready.Due.Compare(b.ready.Due),
	)
}

// urgency is lowest for what goes first. What has given way for long enough
// stands in line with the backups: those that waited for longer go before it.
func (j *job) urgency(now time.Time) int {
	switch {
	case j.ready.Trigger == history.Manual:
		return 0
	case j.overdue(now):
		return min(rank(j.Kind), rank(history.Backup))
	}
	return rank(j.Kind)
}

// overdue tells whether a job has given way for long enough.
func (j *job) overdue(now time.Time) bool { return now.Sub(j.since) > j.patience }

// patienceAt is how long a job that is ready now gives way.
func (j *job) patienceAt(now time.Time) time.Duration {
	patience := waitMost
	for _, v := range j.Variants {
		next := v.Rule.Next(now)
		if period := v.Rule.Next(next).Sub(next); period > 0 {
			patience = min(patience, period/waitPeriod)
		}
	}
	return patience
}

// blocked tells why a run cannot begin now; "" if it can.
func (c *Controller) blocked(j *job, reserved map[string]bool) string {
	if why := c.comesAfter(j); why != "" {
		return why
	}
	for _, use := range j.Uses {
		if reserved[use.Repository] && !j.Continuous {
			return "upkeep of repository " + use.Repository + " has waited for long, and goes first"
		}
	}
	return c.load.blocks(j, c.Limits)
}

// comesAfter tells what a run waits for that is to come before it; "" for
// nothing. One run of each is enough that ended since: jobs that are always
// under way would keep it from beginning for ever.
func (c *Controller) comesAfter(j *job) string {
	for _, id := range j.After {
		other := c.jobs[id]
		if other == nil || other.gone || c.dependsOn(other, j.ID, map[string]bool{}) {
			continue
		}
		if other.ended > j.readied {
			continue
		}
		if other.state.Running != nil || other.ready != nil && other.ready.NotBefore.IsZero() && !c.isPaused(other) {
			return "it comes after " + id
		}
	}
	return ""
}

func (c *Controller) isPaused(j *job) bool {
	_, paused := c.pauses[j.Plan]
	return paused && j.Plan != ""
}

// load counts what runs.
type load struct {
	runs, backups int
	readers       map[string]int
	writers       map[string]int
	alone         map[string]int
}

func newLoad() load {
	return load{readers: map[string]int{}, writers: map[string]int{}, alone: map[string]int{}}
}

// blocks tells why a job cannot run beside what runs; "" if it can.
func (l *load) blocks(j *job, limits Limits) string {
	uses := j.usesAfter(j.ready.Waits)
	if j.Continuous {
		return "" // it holds no lock of a repository
	}
	if j.once {
		return l.blocksOnce(j)
	}
	if l.runs >= limits.Host {
		return "as many runs as service.concurrency.host allows are under way"
	}
	if others := l.runs - l.backups; j.Kind != history.Backup && limits.Host > 1 && others >= limits.Host-1 {
		return "one place is kept free for backups"
	}
	for _, use := range uses {
		r := use.Repository
		switch {
		case l.alone[r] > 0:
			return "upkeep has repository " + r + " for itself"
		case use.Mode == Alone && l.readers[r]+l.writers[r] > 0:
			return "others work in repository " + r
		case use.Mode == Writes && l.writers[r] >= limits.Repository:
			return "as many runs as service.concurrency.repository allows write to " + r
		}
	}
	return ""
}

// count adds by to what a job makes of load.
func (l *load) count(j *Job, by int) {
	if j.Continuous {
		return
	}
	l.runs += by
	if j.Kind == history.Backup {
		l.backups += by
	}
	for _, use := range j.Uses {
		switch use.Mode {
		case Reads:
			l.readers[use.Repository] += by
		case Writes:
			l.writers[use.Repository] += by
		case Alone:
			l.alone[use.Repository] += by
		}
	}
}
