package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
)

// Select returns the runs that a filter means, the newest first. With
// ErrDamaged it returns all that could be read.
func (h *History) Select(f Filter) ([]Run, error) {
	var runs []Run
	var err error
	for _, s := range h.segments() {
		if !s.mayHold(&f) {
			continue
		}
		found, damaged := s.find(&f)
		if damaged && err == nil {
			err = fmt.Errorf("%w (segment %s)", ErrDamaged, filepath.Base(s.path))
		}
		runs = append(runs, found...)
		if f.Limit > 0 && len(runs) >= f.Limit {
			return runs[:f.Limit], err
		}
	}
	return runs, err
}

// segments returns all of them as they are now, the newest first.
func (h *History) segments() []segment {
	h.mu.RLock()
	defer h.mu.RUnlock()
	all := []segment{h.open.snapshot()}
	for _, s := range slices.Backward(h.sealed) {
		all = append(all, *s)
	}
	return all
}

// snapshot copies what changes with the next Append.
func (s *segment) snapshot() segment {
	c := *s
	c.Plans = make(map[string]int, len(s.Plans))
	for plan, n := range s.Plans {
		c.Plans[plan] = n
	}
	return c
}

// find returns the runs of a segment that are meant, the newest first.
func (s *segment) find(f *Filter) (runs []Run, damaged bool) {
	lines, err := s.lines()
	damaged = err != nil
	named := f.namedPlan()
	for _, line := range slices.Backward(lines) {
		if f.Limit > 0 && len(runs) == f.Limit {
			break
		}
		if len(line) == 0 || !bytes.Contains(line, named) {
			continue
		}
		run, err := decode(line)
		if err != nil {
			damaged = true
			continue
		}
		if f.matches(run) {
			runs = append(runs, *run)
		}
	}
	return runs, damaged
}

// namedPlan is what every line of the plan holds; most lines need not be
// decoded then.
func (f *Filter) namedPlan() []byte {
	if f.Plan == "" {
		return nil
	}
	name, err := json.Marshal(f.Plan)
	if err != nil {
		return nil
	}
	return append([]byte(`"plan":`), name...)
}
