package controller

import (
	"context"
	"time"

	"holdfast/internal/history"
)

// State is what the journal keeps of a job.
type State struct {
	// Handled is, for each variant, up to when what was due has been dealt
	// with.
	Handled map[string]time.Time `json:"handled,omitempty"`
	// Followed is, for each job that this one follows, up to which of its runs.
	Followed map[string]string `json:"followed,omitempty"`
	// Running is the run under way; after a crash, one that nobody has seen
	// the end of.
	Running *Run `json:"running,omitempty"`
	// Wanted is a run that is to begin whatever the schedule says: a person
	// asked for it, or it is tried again.
	Wanted *Run `json:"wanted,omitempty"`
	// Rounds counts the good runs.
	Rounds int `json:"rounds,omitempty"`
	// Last is how the last run ended, LastGood the last good one.
	Last     *Ended `json:"last,omitempty"`
	LastGood *Ended `json:"last_good,omitempty"`
}

// Run is a run that is to begin or under way.
type Run struct {
	ID      string          `json:"id,omitempty"`
	Kind    history.Job     `json:"kind,omitempty"`
	Plan    string          `json:"plan,omitempty"`
	Variant string          `json:"variant,omitempty"`
	Trigger history.Trigger `json:"trigger"`
	// By is who asked for it, "" for nobody.
	By string `json:"by,omitempty"`
	// Repository and Source are those of a run that a person asked for once.
	Repository string    `json:"repository,omitempty"`
	Source     string    `json:"source,omitempty"`
	Due        time.Time `json:"due,omitzero"`
	// Attempt counts from 1. Of those before it some have failed and some were
	// interrupted. Waits counts how often the repository was locked by somebody
	// else; that is no attempt.
	Attempt       int `json:"attempt"`
	Failures      int `json:"failures,omitempty"`
	Interruptions int `json:"interruptions,omitempty"`
	Waits         int `json:"waits,omitempty"`
	// NotBefore is when a wanted run may begin.
	NotBefore time.Time `json:"not_before,omitzero"`
	Started   time.Time `json:"started,omitzero"`
	// Began is when the first slice of work in several of them began.
	Began time.Time `json:"began,omitzero"`
	// Done is how many bytes earlier slices moved.
	Done uint64 `json:"done,omitempty"`
	// Round is how many good runs of the job there were before.
	Round int `json:"round,omitempty"`
}

// Ended is how a run ended.
type Ended struct {
	ID      string          `json:"id"`
	Variant string          `json:"variant,omitempty"`
	Outcome history.Outcome `json:"outcome"`
	Reason  string          `json:"reason,omitempty"`
	Due     time.Time       `json:"due,omitzero"`
	At      time.Time       `json:"at"`
}

// Pause is a person's wish that nothing of a plan begins.
type Pause struct {
	Plan   string    `json:"plan"`
	Since  time.Time `json:"since"`
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"`
	// Until ends the pause by itself; zero for never.
	Until time.Time `json:"until,omitzero"`
}

// Journal keeps what must not be forgotten. What Save returned for survives a
// crash; an error means that nothing can be promised any more, and ends the
// controller.
type Journal interface {
	States(ctx context.Context) (map[string]State, error)
	Save(ctx context.Context, job string, s State) error
	// Forget removes the state of a job that never comes again.
	Forget(ctx context.Context, job string) error
	Pauses(ctx context.Context) (map[string]Pause, error)
	// Seen and SaveSeen keep when each variant of a job was seen first.
	Seen(ctx context.Context) (map[string]time.Time, error)
	SaveSeen(ctx context.Context, seen map[string]time.Time) error
	// SavePause keeps a pause; nil ends that of the plan.
	SavePause(ctx context.Context, plan string, p *Pause) error
}

// History takes finished runs. Appending one again changes nothing.
type History interface {
	Append(run history.Run) error
}

// Task is a run, for the executor.
type Task struct {
	Run
	Job *Job
}

// Result is how a run ended.
type Result struct {
	Outcome history.Outcome
	Reason  string
	// Locked says that somebody else held the repository: it is not a failure,
	// and tried again.
	Locked bool
	// Told says that people are told by other events what went wrong.
	Told bool
	// More says that there is more of the same work to do, in another run.
	More bool
	// Ended is when it did, if that was before it was found out.
	Ended time.Time

	// Plan, Source and Repository are what it was about, if nobody knew before.
	Plan, Source, Repository string

	Phases    []history.Phase
	Bytes     uint64
	Added     uint64
	Files     uint64
	Snapshots []string
	Figures   map[string]float64
	Log       string
}

// Executor does what jobs are about.
type Executor interface {
	// Execute does a run, and returns when nothing of it is left. When ctx
	// ends the run is told to stop, and after a bounded time made to.
	Execute(ctx context.Context, t Task) Result
	// Settle sees to it that nothing is left of a run of an earlier process,
	// and returns how it ended if it came to its end; nil if not.
	Settle(ctx context.Context, t Task) *Result
}
