package controller

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// place puts jobs in place of those that there are.
func (c *Controller) place(jobs []Job) {
	now := c.Now().Round(0)
	for _, j := range c.jobs {
		j.gone = !j.once
	}
	c.order = append(c.order[:0], c.asked...)
	changed := false
	for _, given := range jobs {
		j, known := c.jobs[given.ID]
		if !known {
			j = &job{}
			c.jobs[given.ID] = j
		}
		j.Job, j.gone = given, false
		if j.next = now; j.state.Running != nil {
			j.next = time.Time{}
		}
		changed = j.begin(c.seen, now) || changed
		c.order = append(c.order, j)
	}
	slices.SortFunc(c.order, func(a, b *job) int { return cmp.Compare(a.ID, b.ID) })
	if changed && c.fail(c.Journal.SaveSeen(c.background(), c.seen)) {
		return
	}
	maps.DeleteFunc(c.jobs, func(_ string, j *job) bool { return j.gone && j.state.Running == nil })
	for _, j := range c.jobs {
		c.stopOutdated(j)
	}
}

// begin lets a variant that is new be due from when it was seen first: what its
// schedule would have done before it was written was not missed. What was dealt
// with by a clock that was far ahead counts up to now: see schedule.Rule.Resume.
func (j *job) begin(seen map[string]time.Time, now time.Time) (changed bool) {
	handled := map[string]time.Time{}
	for _, v := range j.Variants {
		at, known := j.state.Handled[v.Name]
		if !known {
			key := j.ID + " " + v.Name
			if at, known = seen[key]; !known {
				at, changed = now, true
				seen[key] = now
			}
		}
		handled[v.Name] = v.Rule.Resume(at, now)
	}
	j.state.Handled = handled
	return changed
}

// stopOutdated ends the run of a continuous job that is gone or does
// something else now. Other runs go on to their end.
func (c *Controller) stopOutdated(j *job) {
	if j.state.Running == nil || j.stop == nil || !j.running.Continuous {
		return
	}
	if j.gone || j.Definition != j.running.Definition {
		j.stopFor = errReplaced
		j.stop(errReplaced)
	}
}

// dependsOn tells whether a job waits, directly or not, for another one.
func (c *Controller) dependsOn(from *job, on string, seen map[string]bool) bool {
	for _, id := range from.After {
		if id == on {
			return true
		}
		if next := c.jobs[id]; next != nil && !seen[id] {
			seen[id] = true
			if c.dependsOn(next, on, seen) {
				return true
			}
		}
	}
	return false
}
