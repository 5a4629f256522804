package evidence

import "time"

// A Failure is what a failed restore test says does not come back: the next
// test may be of another point, and its success says nothing of this one.
type Failure string

// The failures, and what ends each.
const (
	// OfPlace is one in which no recovery point was found, or could be opened:
	// any test from the same repository that is good.
	OfPlace Failure = "place"
	// OfSource is one in which a point came back as it was backed up, and the
	// plan's own checks say that it is not what it should be: the test of a point
	// at least as new.
	OfSource Failure = "source"
	// OfLog is one of the way from a base backup to an instant: the recovery to
	// an instant at least as new, from whichever base backup.
	OfLog Failure = "log"
	// OfPoint is one of what is stored of a recovery point: a test of the same
	// point. It ends with the point, too, when that is removed.
	OfPoint Failure = "point"
)

// Failure tells what failed in a test that did. problems is how many it found,
// and isOwn tells the plan's own checks, by their names, from those that every
// test makes.
func (t *RestoreTest) Failure(problems int, isOwn func(check string) bool) Failure {
	if t.Point.Snapshot == "" {
		return OfPlace
	}
	own := 0
	for _, c := range t.Checks {
		if !c.Good && isOwn(c.Name) {
			own++
		}
	}
	if problems > 0 && problems <= own {
		return OfSource
	}
	if t.SourceKind == "postgres" && t.restored() {
		return OfLog
	}
	return OfPoint
}

// restored tells whether a base backup was brought back.
func (t *RestoreTest) restored() bool {
	for _, s := range t.Steps {
		if s.Name == "restore" {
			return s.Error == ""
		}
	}
	return false
}

// Instant is the newest one that the test says anything about.
func (t *RestoreTest) Instant() time.Time {
	if t.SourceKind == "postgres" && t.Point.Asked == "newest" { // all of the log there was
		return t.Began
	}
	return t.Point.Time
}

// Ends tells whether a good test of a point, at an instant, ends a failure.
func (f Failure) Ends(samePoint bool, failed, good time.Time) bool {
	switch f {
	case OfPoint:
		return samePoint
	case OfSource, OfLog:
		return !good.Before(failed)
	}
	return true
}
