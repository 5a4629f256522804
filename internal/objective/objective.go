// Package objective compares what a plan promises with what it would deliver
// if disaster struck now. It is a pure rule: what is known of the copies and of
// the restores measured goes in, a standing with its reason comes out.
//
//   - RPO now is how much would be lost: the age of the newest recovery point
//     that can be restored, of the source that is worst off. A point counts if
//     its repository can be listed now and nothing is known to be wrong with
//     it: no errors since it was last read back, no restore test that failed
//     after the last one that did not. The archived log of a database reaches
//     on from its base backup, and counts to its end.
//   - RTO expected is how long a restore would take: as long as the last one
//     that was measured, and longer when the source has grown since; see
//     forecast.go. Sources of one plan are restored one after the other.
//
// Nothing measured is nothing known: an objective is unknown, never met, as
// long as no recovery point, or no restore, tells.
package objective

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// State says how what is measured compares with what is promised.
type State string

// The states. Near is from NearShare of the promise on.
const (
	// Unpromised is an objective that the plan does not have.
	Unpromised State = "none"
	Unknown    State = "unknown"
	Met        State = "met"
	Near       State = "near"
	Breached   State = "breached"
)

// NearShare is the part of a promise from which on it is near to being broken,
// in percent.
const NearShare = 80

// Facts are what is known of one plan.
type Facts struct {
	Plan string
	// Now is when the facts were gathered.
	Now time.Time
	// RPO and RTO are what is promised; 0 promises nothing.
	RPO, RTO time.Duration
	// Sources are those that the plan has.
	Sources []string
	// Copies are its repositories, the one that backups go to first.
	Copies []Copy
}

// Copy is what is known of one repository of a plan.
type Copy struct {
	Name string
	// Down tells why it cannot be listed now, "" if it can.
	Down string
	// Wrong tells what was found to be wrong with it and not to be mended
	// since, "" for nothing.
	Wrong string
	// Points holds what there is of each source.
	Points map[string]Point
}

// Point is the newest there is of one source in one repository.
type Point struct {
	// Time is the newest instant that can be restored to: that of a snapshot,
	// or the end of the log that follows it.
	Time time.Time
	// Bytes is the size of the source at the newest snapshot; 0 is unknown.
	Bytes uint64
	// Failed tells why the last restore test failed, "" if it did not.
	Failed string
	// Test is the last restore that was measured; nil for none. Earlier are
	// those before it, the newest first, as far as they are known.
	Test    *Test
	Earlier []Test
}

// Test is a restore that was measured.
type Test struct {
	// Time is when it was, Took how long it took until the source was usable,
	// Bytes what was restored; 0 is unknown.
	Time  time.Time
	Took  time.Duration
	Bytes uint64
}

// Standing is how one objective stands.
type Standing struct {
	State State
	// Value is what is measured or expected; it means nothing when the state
	// is Unknown.
	Value    time.Duration
	Promised time.Duration
	// Source is the one that is worst off.
	Source string
	// Reason is why, in words.
	Reason string
	// Point is the recovery point that an RPO is measured from, zero for none.
	Point time.Time
}

// At is the standing at a later time, if nothing became known since: what would
// be lost has grown.
func (s Standing) At(now time.Time) Standing {
	if s.Point.IsZero() || s.State == Unknown {
		return s
	}
	s.Value = max(s.Value, now.Sub(s.Point))
	return judged(s)
}

// Worsens is when the standing becomes a worse one by itself, zero for never.
func (s Standing) Worsens() time.Time {
	switch {
	case s.Point.IsZero():
	case s.State == Met:
		return s.Point.Add(s.Promised / 100 * NearShare)
	case s.State == Near:
		return s.Point.Add(s.Promised + time.Nanosecond)
	}
	return time.Time{}
}

// Standings are those of a plan.
type Standings struct {
	Plan     string
	RPO, RTO Standing
	// Copies hold the same for each repository alone: what is lost, and how long
	// it takes, if only that one is left.
	Copies []CopyStandings
}

// CopyStandings are those of one repository.
type CopyStandings struct {
	Name     string
	RPO, RTO Standing
}

// Judge tells how the objectives of a plan stand.
func Judge(f Facts) *Standings {
	s := &Standings{Plan: f.Plan, RPO: f.rpo(f.Copies), RTO: f.rto(f.Copies)}
	for k := range f.Copies {
		alone := f.Copies[k : k+1]
		s.Copies = append(s.Copies, CopyStandings{f.Copies[k].Name, f.rpo(alone), f.rto(alone)})
	}
	return s
}

// rpo tells how much would be lost if these copies were left.
func (f *Facts) rpo(copies []Copy) Standing {
	worst := Standing{State: Unknown, Promised: f.RPO, Reason: "the plan has no source"}
	known := false
	for _, source := range f.Sources {
		point, from, why := newest(copies, source)
		if point == nil {
			return judged(Standing{State: Unknown, Promised: f.RPO, Source: source, Reason: "nothing of " + source + " can be restored: " + why})
		}
		age := max(0, f.Now.Sub(point.Time))
		if known && age <= worst.Value {
			continue
		}
		known = true
		worst = Standing{
			Value: age, Promised: f.RPO, Source: source, Point: point.Time,
			Reason: fmt.Sprintf("the newest point of %s that can be restored is of %s, in %s%s", source, point.Time.UTC().Format("2006-01-02 15:04:05 UTC"), from, because(why)),
		}
	}
	return judged(worst)
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}

// newest returns the newest point of a source that counts, the repository that
// holds it, and why others do not count.
func newest(copies []Copy, source string) (found *Point, from, why string) {
	var reasons []string
	for k := range copies {
		c := &copies[k]
		point, ok := c.Points[source]
		reason := ""
		switch {
		case c.Down != "":
			reason = "it cannot be listed: " + c.Down
		case c.Wrong != "":
			reason = c.Wrong
		case !ok:
			reason = "it holds nothing of " + source
		case point.Failed != "":
			reason = "the last restore test failed: " + point.Failed
		}
		if reason != "" {
			reasons = append(reasons, c.Name+": "+reason)
			continue
		}
		if found == nil || point.Time.After(found.Time) {
			found, from = &point, c.Name
		}
	}
	return found, from, strings.Join(reasons, "; ")
}

// rto tells how long it would take with these copies: each source from the one
// that is quickest.
func (f *Facts) rto(copies []Copy) Standing {
	var all time.Duration
	var reasons []string
	slowest, worst := time.Duration(-1), ""
	for _, source := range f.Sources {
		took, reason := expected(copies, source)
		if reason == "" {
			return judged(Standing{State: Unknown, Promised: f.RTO, Source: source, Reason: "no restore of " + source + " was measured; `holdfast verify` measures one"})
		}
		all += took
		reasons = append(reasons, reason)
		if took > slowest {
			slowest, worst = took, source
		}
	}
	if len(f.Sources) == 0 {
		return judged(Standing{State: Unknown, Promised: f.RTO, Reason: "the plan has no source"})
	}
	return judged(Standing{Value: all, Promised: f.RTO, Source: worst, Reason: strings.Join(reasons, "; ")})
}

// expected forecasts a restore of one source, and says from what; "" if
// nothing was measured.
func expected(copies []Copy, source string) (took time.Duration, reason string) {
	for k := range copies {
		c := &copies[k]
		point, ok := c.Points[source]
		if !ok || point.Test == nil || c.Down != "" || c.Wrong != "" || point.Failed != "" {
			continue
		}
		forecast, how := point.forecast()
		if reason != "" && forecast >= took {
			continue
		}
		took = forecast
		reason = fmt.Sprintf("a restore of %s from %s took %s on %s", source, c.Name, rounded(point.Test.Took), point.Test.Time.UTC().Format(time.DateOnly))
		if forecast > point.Test.Took {
			reason += ", of " + share(point.Test.Bytes, point.Bytes) + how
		}
	}
	return took, reason
}

// share is, in words, how large what was restored is beside what there is now.
func share(part, whole uint64) string {
	percent := 100 * float64(part) / float64(max(1, whole))
	if percent < 1 { // a forecast from so little is hardly one
		return "less than 1% of its size now; `holdfast verify` measures it again"
	}
	return fmt.Sprintf("%.0f%% of its size now", math.Floor(percent))
}

// judged compares what is measured with what is promised.
func judged(s Standing) Standing {
	switch {
	case s.Promised == 0 && s.State != Unknown:
		s.State = Unpromised
	case s.State == Unknown:
	case s.Value > s.Promised:
		s.State = Breached
	case s.Value >= s.Promised/100*NearShare:
		s.State = Near
	default:
		s.State = Met
	}
	return s
}

// rounded is a time for people.
func rounded(d time.Duration) time.Duration {
	if d < time.Minute {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(time.Second)
}

// Broken tells whether a promise is not kept, or nobody knows whether it is.
func (s *Standing) Broken() bool {
	return s.State == Breached || s.State == Unknown && s.Promised > 0
}
