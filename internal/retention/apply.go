package retention

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Snapshot is what a policy looks at.
type Snapshot struct {
	ID   string
	Time time.Time // in the zone in which it was recorded
	Tags []string
}

// Decision is what a policy says about one snapshot.
type Decision struct {
	Snapshot Snapshot
	Keep     bool
	// Future says that the snapshot is dated after now, and is kept because of
	// that alone. The user should hear of it: some clock is wrong.
	Future bool
	// Reasons tells why it is kept, in restic's words ("daily snapshot",
	// "oldest weekly snapshot", "within 2m", "has tags [a, b]"); empty when it
	// is not.
	Reasons []string
	// Counters is what the counting rules had left after this snapshot.
	Counters Counters
}

// Counters holds what is left of each count; -1 is unlimited. It has the form
// that restic's JSON gives it.
type Counters struct {
	Last    Count `json:"last,omitempty"`
	Hourly  Count `json:"hourly,omitempty"`
	Daily   Count `json:"daily,omitempty"`
	Weekly  Count `json:"weekly,omitempty"`
	Monthly Count `json:"monthly,omitempty"`
	Yearly  Count `json:"yearly,omitempty"`
}

// Result is what a policy says about a group of snapshots.
type Result struct {
	Decisions []Decision // one for each snapshot, newest first, equal times by ID
}

// Keep returns the snapshots to keep, newest first.
func (r Result) Keep() []Decision { return r.where(true) }

// Remove returns the snapshots to remove, newest first.
func (r Result) Remove() []Decision { return r.where(false) }

func (r Result) where(keep bool) []Decision {
	var some []Decision
	for _, d := range r.Decisions {
		if d.Keep == keep {
			some = append(some, d)
		}
	}
	return some
}

// RemovesAll reports whether there are snapshots up to now and none of them is
// kept. Like restic, a caller refuses to execute such a result: a policy that
// was meant to keep something (by tags, say) keeps nothing.
func (r Result) RemovesAll() bool {
	removed := false
	for _, d := range r.Decisions {
		if d.Keep && !d.Future {
			return false
		}
		removed = removed || !d.Keep
	}
	return removed
}

// Apply decides about a group of snapshots, in any order, that are rivals for
// the places of one policy: the same host and paths, as a rule.
//
// Days, weeks and hours are those of zone, or, when zone is nil, those of the
// zone recorded in each snapshot, which is what restic does.
//
// An empty policy removes every snapshot, those dated after now included: see
// Policy.Empty.
func Apply(policy Policy, snapshots []Snapshot, now time.Time, zone *time.Location) Result {
	sorted := slices.SortedFunc(slices.Values(snapshots), func(a, b Snapshot) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.ID, b.ID))
	})
	first := 0 // that is not after now
	for first < len(sorted) && sorted[first].Time.After(now) {
		first++
	}
	decisions := make([]Decision, 0, len(sorted))
	for _, sn := range sorted[:first] {
		decisions = append(decisions, decideFuture(policy, sn))
	}
	if first < len(sorted) {
		s := newSelection(policy, sorted[first:], zone)
		for nr, sn := range sorted[first:] {
			decisions = append(decisions, s.decide(nr, sn))
		}
	}
	return Result{decisions}
}

func decideFuture(policy Policy, sn Snapshot) Decision {
	d := Decision{Snapshot: sn, Keep: !policy.Empty()}
	if d.Keep {
		d.Future = true
		d.Reasons = []string{"dated in the future"}
		d.Counters = policy.counters()
	}
	return d
}

func (p Policy) counters() Counters {
	return Counters{p.Last, p.Hourly, p.Daily, p.Weekly, p.Monthly, p.Yearly}
}

// selection is the state of a policy on its way from the newest snapshot to
// the oldest.
type selection struct {
	policy  Policy
	zone    *time.Location
	newest  time.Time
	oldest  int // place of the oldest snapshot
	counts  [6]countState
	withins [5]withinState
}

type countState struct {
	countRule
	last int // the period of the snapshot kept last
}

type withinState struct {
	withinRule
	last int
}

// noPeriod is the number of no period.
const noPeriod = -1

// newSelection begins with snapshots, newest first, at least one.
func newSelection(policy Policy, snapshots []Snapshot, zone *time.Location) *selection {
	s := &selection{policy: policy, zone: zone, oldest: len(snapshots) - 1}
	s.newest = s.local(snapshots[0].Time)
	for i, rule := range policy.counts() {
		s.counts[i] = countState{rule, noPeriod}
	}
	for i, rule := range policy.withins() {
		s.withins[i] = withinState{rule, noPeriod}
	}
	return s
}

func (s *selection) decide(nr int, sn Snapshot) Decision {
	t := s.local(sn.Time)
	reasons := s.tagReasons(sn)
	if s.within(s.policy.Within, t) {
		reasons = append(reasons, fmt.Sprintf("within %v", s.policy.Within))
	}
	for i := range s.counts {
		if reason := s.count(&s.counts[i], t, nr); reason != "" {
			reasons = append(reasons, reason)
		}
	}
	for i := range s.withins {
		if reason := s.countWithin(&s.withins[i], t, nr); reason != "" {
			reasons = append(reasons, reason)
		}
	}
	return Decision{Snapshot: sn, Keep: len(reasons) > 0, Reasons: reasons, Counters: s.counters()}
}

func (s *selection) local(t time.Time) time.Time {
	if s.zone == nil {
		return t
	}
	return t.In(s.zone)
}

func (s *selection) tagReasons(sn Snapshot) []string {
	var reasons []string
	for _, tags := range s.policy.Tags {
		if hasTags(sn, tags) {
			reasons = append(reasons, fmt.Sprintf("has tags %v", tags))
		}
	}
	return reasons
}

func hasTags(sn Snapshot, tags TagList) bool {
	for _, tag := range tags {
		if tag == "" && len(sn.Tags) == 0 {
			return true
		}
		if !slices.Contains(sn.Tags, tag) {
			return false
		}
	}
	return true
}

func (s *selection) within(d Duration, t time.Time) bool {
	return d != Duration{} && t.After(d.Before(s.newest))
}

// count uses up one of the rule's count if the snapshot begins a new period or
// is the oldest, and returns the reason, or "".
func (s *selection) count(rule *countState, t time.Time, nr int) string {
	if rule.count == 0 {
		return ""
	}
	period := rule.bucket(t, nr)
	if period == rule.last && nr != s.oldest {
		return ""
	}
	if rule.count > 0 {
		rule.count--
	}
	return because(period, &rule.last, rule.period+" snapshot")
}

func (s *selection) countWithin(rule *withinState, t time.Time, nr int) string {
	if !s.within(rule.within, t) {
		return ""
	}
	period := rule.bucket(t, nr)
	if period == rule.last && nr != s.oldest {
		return ""
	}
	return because(period, &rule.last, fmt.Sprintf("%s within %v", rule.period, rule.within))
}

// because notes the period and returns the reason for a snapshot that begins
// it or, when another of the same period was kept, is the oldest of all.
func because(period int, last *int, reason string) string {
	if period == *last {
		return "oldest " + reason
	}
	*last = period
	return reason
}

// counters is what the counting rules have left.
func (s *selection) counters() Counters {
	c := &s.counts
	return Counters{c[0].count, c[1].count, c[2].count, c[3].count, c[4].count, c[5].count}
}
