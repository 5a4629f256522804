package controller

import (
	"context"
	"time"

	"holdfast/internal/history"
)

// Status is what a job does, for people.
type Status struct {
	Job  string      `json:"job"`
	Plan string      `json:"plan,omitempty"`
	Kind history.Job `json:"kind"`
	// Repository is the one it is about, Types are those a backup can have.
	Repository string   `json:"repository,omitempty"`
	Types      []string `json:"types,omitempty"`
	Continuous bool     `json:"continuous,omitempty"`
	// Once is what a person asked for, which is no job of the configuration;
	// Wanted is its run as long as that waits.
	Once   bool `json:"once,omitempty"`
	Wanted *Run `json:"wanted,omitempty"`
	// Next is when it is due, with the variant; zero for one that follows
	// others or runs all the time.
	Next        time.Time `json:"next,omitzero"`
	NextVariant string    `json:"next_type,omitempty"`
	Running     *Run      `json:"running,omitempty"`
	// Waiting is why a run that is due does not begin.
	Waiting  string `json:"waiting,omitempty"`
	Paused   *Pause `json:"paused,omitempty"`
	Last     *Ended `json:"last,omitempty"`
	LastGood *Ended `json:"last_good,omitempty"`
}

// Status tells about all jobs, by their IDs.
func (c *Controller) Status(ctx context.Context) ([]Status, error) {
	var all []Status
	err := c.do(ctx, func() {
		now := c.Now().Round(0)
		for _, j := range c.order {
			all = append(all, c.status(j, now))
		}
	})
	return all, err
}

func (c *Controller) status(j *job, now time.Time) Status {
	s := Status{
		Job: j.ID, Plan: j.Plan, Kind: j.Kind, Repository: j.Repository, Continuous: j.Continuous, Once: j.once,
		Waiting: j.waiting, Last: j.state.Last, LastGood: j.state.LastGood,
	}
	if j.once && j.state.Wanted != nil {
		wanted := *j.state.Wanted
		s.Wanted = &wanted
	}
	if j.state.Running != nil {
		running := *j.state.Running
		s.Running = &running
	}
	if p, paused := c.pauses[j.Plan]; paused && j.Plan != "" {
		s.Paused = &p
	}
	for _, v := range j.Variants {
		if v.Name != "" {
			s.Types = append(s.Types, v.Name)
		}
		from := v.Rule.Resume(j.state.Handled[v.Name], now)
		if next := v.Rule.Next(from); !next.IsZero() && (s.Next.IsZero() || next.Before(s.Next)) {
			s.Next, s.NextVariant = next, v.Name
		}
	}
	return s
}

// Idle tells whether nothing runs and nothing waits to begin.
func (c *Controller) Idle(ctx context.Context) (bool, error) {
	idle := true
	err := c.do(ctx, func() {
		for _, j := range c.order {
			if j.state.Running != nil || j.ready != nil && j.waiting == "" || !j.next.IsZero() && !c.Now().Before(j.next) {
				idle = false
			}
		}
	})
	return idle, err
}
