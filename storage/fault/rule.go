package fault

import (
	"strings"
	"time"
)

// Rule makes some operations misbehave. The zero values of all fields but
// Fault mean "each operation".
type Rule struct {
	Op     Op     // only this kind
	Prefix string // only keys (or prefixes listed) that begin so
	Skip   int    // let so many matching operations pass first
	Every  int    // then strike at the first and each Every-th after it
	Times  int    // stop after so many strikes
	Fault  Fault
}

// activeRule is a Rule and how often it matched.
type activeRule struct {
	Rule
	matched, struck int
}

func (r *activeRule) strikes(op Op, key string) bool {
	if r.Op != "" && r.Op != op || !strings.HasPrefix(key, r.Prefix) {
		return false
	}
	r.matched++
	turn := r.matched - r.Skip - 1
	if turn < 0 || turn%max(r.Every, 1) != 0 || r.Times > 0 && r.struck >= r.Times {
		return false
	}
	r.struck++
	return true
}

// Add adds rules. When several strike at one operation their delays add up,
// and of the other faults the one added first is taken.
func (s *Store) Add(rules ...Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rules {
		s.rules = append(s.rules, &activeRule{Rule: r})
	}
}

// Clear takes all rules away. It does not undo a crash.
func (s *Store) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}

// match returns the fault to commit and the sum of the delays.
func (s *Store) match(op Op, key string) (Fault, time.Duration) {
	var fault Fault
	var delay time.Duration
	for _, r := range s.rules {
		if !r.strikes(op, key) {
			continue
		}
		delay += r.Fault.delay
		if fault.kind == none {
			fault = r.Fault
		}
	}
	return fault, delay
}
