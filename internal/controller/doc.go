// Package controller decides what runs now, and never forgets what it began.
//
// Its words:
//
//   - A Job is one thing that comes again: the backup of a plan, a copy, the
//     upkeep of a repository. Its Variants say when; a backup has one for each
//     type, the strongest first, and a full backup is an incremental one too.
//   - A run is one execution of a job. The Executor does it, and reports how it
//     ended; what it does is of no interest here.
//   - The Journal remembers, for each job, up to when it was dealt with, what
//     runs and what is to be tried again.
//
// Its guarantees:
//
//   - A job has at most one run at a time. It is journaled before it begins and
//     in the history before it is forgotten, so that after a crash every run
//     is found again: as finished, if it came to its end unseen, or else as
//     interrupted, and it is then run again.
//   - An instant that was due leads to one run, at once or caught up later,
//     together with all others missed meanwhile.
//   - Backups go first. What needs a repository for itself waits until nobody
//     works in it, and after a while holds back what would begin there.
//
// One goroutine owns all state (loop.go); runs have goroutines of their own
// that only report back.
package controller
