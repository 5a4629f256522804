package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// ErrNoRun says that there is no run of an ID, or not any more.
var ErrNoRun = errors.New("no such run in the history")

// query says what is meant.
type query[T any] struct {
	plan         string
	since, until time.Time
	limit        int
	after        string // the name of something: what is older is meant
	// holds is what every line that is meant holds: most others need not be
	// decoded then.
	holds   [][]byte
	matches func(*T) bool
}

// needles returns what lines hold whose JSON has these names with these
// values; names without a value are left out.
func needles(pairs ...string) (all [][]byte) {
	for pair := range slices.Chunk(pairs, 2) {
		if value, err := json.Marshal(pair[1]); err == nil && pair[1] != "" {
			all = append(all, append([]byte(`"`+pair[0]+`":`), value...))
		}
	}
	return all
}

// find returns what a query means, the newest first.
func (h *store[T]) find(q *query[T]) ([]T, error) {
	all, before := h.segments(), -1
	if q.after != "" {
		at, line, err := h.locate(q.after, all)
		if err != nil {
			return nil, err
		}
		all, before = all[at:], line
	}
	var found []T
	var err error
	for n := range all {
		if !q.mayBeIn(&all[n]) {
			before = -1
			continue
		}
		part, damaged := q.search(&all[n], before, q.limit-len(found))
		if before = -1; damaged && err == nil {
			err = fmt.Errorf("%w (segment %s)", ErrDamaged, filepath.Base(all[n].path))
		}
		found = append(found, part...)
		if q.limit > 0 && len(found) >= q.limit {
			break
		}
	}
	return found, err
}

// locate finds a value by its name: the place of its segment in all, and its
// line there. What was kept before it began cannot be it.
func (h *store[T]) locate(id string, all []segment) (at, line int, err error) {
	began, name := h.kind.began(id), needles("id", id)
	for n := range slices.Backward(all) {
		s := &all[n]
		if s.Runs == 0 || s.Last.Before(began) {
			continue
		}
		lines, _ := s.lines() // who asks for what is damaged does not find it
		for k := range slices.Backward(lines) {
			if !bytes.Contains(lines[k], name[0]) {
				continue
			}
			if v, err := decode[T](lines[k]); err == nil && h.kind.id(v) == id {
				return n, k, nil
			}
		}
	}
	return 0, 0, fmt.Errorf("%w: %s", ErrNoRun, id)
}

// get returns a value by its name.
func (h *store[T]) get(id string) (*T, error) {
	if id == "" {
		return nil, ErrNoRun
	}
	all := h.segments()
	at, line, err := h.locate(id, all)
	if err != nil {
		return nil, err
	}
	lines, _ := all[at].lines() // it was there just now
	if line >= len(lines) {
		return nil, fmt.Errorf("%w: %s", ErrNoRun, id)
	}
	return decode[T](lines[line])
}

// segments returns all of them as they are now, the newest first.
func (h *store[T]) segments() []segment {
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

// mayBeIn tells whether a segment may hold what is meant.
func (q *query[T]) mayBeIn(s *segment) bool {
	if s.Runs == 0 || q.plan != "" && s.Plans[q.plan] == 0 {
		return false
	}
	return (q.since.IsZero() || !s.Last.Before(q.since)) && (q.until.IsZero() || !s.First.After(q.until))
}

// search returns what is meant in a segment, the newest first: of the lines
// before one, or of all if that is negative. A limit that is not positive is
// none.
func (q *query[T]) search(s *segment, before, limit int) (found []T, damaged bool) {
	lines, err := s.lines()
	damaged = err != nil
	if before >= 0 {
		lines = lines[:min(before, len(lines))]
	}
	for _, line := range slices.Backward(lines) {
		if limit > 0 && len(found) == limit {
			break
		}
		if len(line) == 0 || !q.mayBe(line) {
			continue
		}
		v, err := decode[T](line)
		if err != nil {
			damaged = true
			continue
		}
		if q.matches(v) {
			found = append(found, *v)
		}
	}
	return found, damaged
}

func (q *query[T]) mayBe(line []byte) bool {
	for _, part := range q.holds {
		if !bytes.Contains(line, part) {
			return false
		}
	}
	return true
}
