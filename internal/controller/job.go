package controller

import (
	"slices"
	"time"

	"holdfast/internal/history"
	"holdfast/internal/schedule"
)

// Job is one thing that comes again.
type Job struct {
	// ID names it for good: the journal goes by it.
	ID string
	// Plan is whose job it is; "" for the upkeep of a repository.
	Plan string
	Kind history.Job
	// Repository is the one that it is about, for the history.
	Repository string
	// Variants say when it is due, the strongest first. A run of one does what
	// all after it would have done.
	Variants []Variant
	// Follows are IDs of jobs: this one is due after each good run of them.
	Follows []string
	// After are IDs of jobs: this one waits while they are due or run.
	After []string
	// Uses are the repositories that a run works in.
	Uses []Use
	// Hours say when a run may begin, unless a person asked for it.
	Hours schedule.Hours
	// SkipMissed leaves out what was due while nobody was there.
	SkipMissed bool
	// Continuous is a job that runs always and is begun again when it ends.
	Continuous bool

	// Attempts is how often a run is tried, the first time included; at least
	// 1. Backoff is the pause before the second try; it doubles up to an hour.
	Attempts int
	Backoff  time.Duration
	// Timeout ends a run; 0 for never.
	Timeout time.Duration

	// Definition changes with what the executor does for the job: a continuous
	// job is then begun anew.
	Definition string
	// Work is for the executor.
	Work any
}

// Variant is one way in which a job runs, and when.
type Variant struct {
	// Name is the type of a backup; "" where there is but one variant.
	Name string
	Rule schedule.Rule
}

// Mode says how a run uses a repository.
type Mode int

// The modes. Any number may read; those that write are limited; what needs the
// repository for itself shares it with nobody. What needs that at its end only
// runs beside others, and waits there for its lock by itself; when it did not
// get it in patientWaits runs, it begins when nobody else is there.
const (
	Reads Mode = iota
	Writes
	Alone
	AloneAtEnd
)

const patientWaits = 2

// Use is a repository, and how a run uses it.
type Use struct {
	Repository string
	Mode       Mode
}

// rank orders jobs that are due at once: backups go first, and what can wait
// longest goes last.
func rank(kind history.Job) int {
	switch kind {
	case history.LogReceive:
		return 0
	case history.Backup:
		return 1
	case history.Copy:
		return 2
	case history.RestoreTest, history.Archive:
		return 3
	case history.Extend, history.LogPrune:
		return 4
	case history.Retention:
		return 5
	case history.Prune:
		return 6
	}
	return 7
}

// usesAfter returns how a run uses repositories that waited so often in vain.
func (j *Job) usesAfter(waits int) []Use {
	uses := slices.Clone(j.Uses)
	for k, use := range uses {
		if use.Mode != AloneAtEnd {
			continue
		}
		if uses[k].Mode = Reads; waits >= patientWaits {
			uses[k].Mode = Alone
		}
	}
	return uses
}

// needsAlone tells whether a repository is needed for itself.
func needsAlone(uses []Use) bool {
	return slices.ContainsFunc(uses, func(use Use) bool { return use.Mode == Alone })
}

// variant returns the index of a variant by its name; 0, the strongest, for
// one that is not there any more.
func (j *Job) variant(name string) int {
	for k, v := range j.Variants {
		if v.Name == name {
			return k
		}
	}
	return 0
}

// Limits bound how many runs there are at once.
type Limits struct {
	// Host is how many run at once here, continuous ones not counted.
	Host int
	// Repository is how many write to one repository at once.
	Repository int
}
