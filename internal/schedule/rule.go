package schedule

import (
	"hash/fnv"
	"time"
)

// Rule is an expression with what shifts and restricts it.
type Rule struct {
	Expression Expression
	// Offset is added to every instant; see Jitter.
	Offset time.Duration
	Hours  Hours
}

// Jitter returns the offset of whatever key names: the same one each time,
// at least 0 and below limit, spread evenly over all keys. So not all plans
// begin on the hour, and each has its period unchanged.
func Jitter(key string, limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(key)) //nolint:errcheck // never fails
	steps := uint64(max(limit/time.Millisecond, 1))
	return time.Duration(mix(h.Sum64())%steps) * time.Millisecond //nolint:gosec // below limit
}

// mix spreads the bits of a hash: those of similar keys differ little.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// Next returns the first instant after another one that is due; the zero time
// if there is none.
func (r Rule) Next(after time.Time) time.Time {
	next := r.Expression.Next(after.Add(-r.Offset))
	if next.IsZero() {
		return next
	}
	return next.Add(r.Offset)
}

// Due is what is to be done now.
type Due struct {
	// At is the latest instant that was due. What was missed before it is
	// caught up by the same run.
	At time.Time
	// Missed is how many were due before At, maxMissed at most.
	Missed int
}

// maxMissed bounds the count of what was missed.
const maxMissed = 1000

// Due tells what is due at now, when everything up to handled has been dealt
// with. Any number of missed instants makes one Due.
func (r Rule) Due(handled, now time.Time) (Due, bool) {
	first := r.Next(handled)
	if first.IsZero() || first.After(now) {
		return Due{}, false
	}
	due := Due{At: r.last(handled, now)}
	for at := first; at.Before(due.At) && due.Missed < maxMissed; at = r.Next(at) {
		due.Missed++
	}
	return due, true
}

// last returns the latest instant due after handled and not after now. There
// is one.
func (r Rule) last(handled, now time.Time) time.Time {
	for back := time.Minute; ; back *= 4 {
		from := now.Add(-back)
		if from.Before(handled) {
			from = handled
		}
		at := r.Next(from)
		if at.After(now) {
			continue
		}
		for next := r.Next(at); !next.IsZero() && !next.After(now); next = r.Next(at) {
			at = next
		}
		return at
	}
}

// Resume returns from where on to look for what is due, when everything up to
// handled was dealt with and the clock shows now. That is handled, as long as
// the clock is not behind it by much.
//
// A clock that is set back shows hours again in which runs were started: they
// are not started again. But if that would leave the schedule silent for
// longer than twice its period, because the clock was far ahead before, it
// goes on from now.
func (r Rule) Resume(handled, now time.Time) time.Time {
	if !handled.After(now) {
		return handled
	}
	next := r.Next(handled)
	if next.IsZero() {
		return now
	}
	period := r.Next(next).Sub(next)
	if period > 0 && next.Sub(now) <= 2*period {
		return handled
	}
	return now
}
