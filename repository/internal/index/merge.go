package index

import (
	"bufio"
	"context"
	"io"
)

// source yields entries in their order.
type source interface {
	// next puts the next entry into e, or returns false at the end.
	next(e *entry) (bool, error)
}

// memorySource yields sorted entries from memory.
type memorySource struct{ entries []entry }

func (s *memorySource) next(e *entry) (bool, error) {
	if len(s.entries) == 0 {
		return false, nil
	}
	*e, s.entries = s.entries[0], s.entries[1:]
	return true, nil
}

// fileSource yields encoded entries from a file.
type fileSource struct {
	r   *bufio.Reader
	buf [entrySize]byte
}

func newFileSource(r io.Reader) *fileSource {
	return &fileSource{r: bufio.NewReaderSize(r, runReadSize)}
}

func (s *fileSource) next(e *entry) (bool, error) {
	if _, err := io.ReadFull(s.r, s.buf[:]); err != nil {
		if err == io.EOF {
			return false, nil
		}
		return false, err
	}
	e.decode(s.buf[:])
	return true, nil
}

// dropped marks a pack row that does not go into the merged segment.
const dropped = maxRows

// segmentSource yields the entries of a segment under new rows, without those
// whose row is dropped.
type segmentSource struct {
	segment *segment
	rows    []uint32
	i       int
}

func (s *segmentSource) next(e *entry) (bool, error) {
	for s.i < s.segment.len() {
		row := s.rows[s.segment.rowOf(s.i)]
		if row != dropped {
			*e = s.segment.at(s.i)
			e.moveTo(row)
		}
		s.i++
		s.segment.passed(s.i)
		if row != dropped {
			return true, nil
		}
	}
	return false, nil
}

// head is a source and the entry it yields next.
type head struct {
	entry  entry
	source source
}

// merger yields the entries of many sources in their common order. It is a
// binary heap of heads, least first.
type merger []*head

func newMerger(sources []source) (merger, error) {
	var m merger
	for _, s := range sources {
		h := &head{source: s}
		more, err := s.next(&h.entry)
		if err != nil {
			return nil, err
		}
		if more {
			m = append(m, h)
		}
	}
	for i := len(m)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	return m, nil
}

// sink restores the heap when head i may be too large for its place.
func (m merger) sink(i int) {
	for {
		least := 2*i + 1
		if least >= len(m) {
			return
		}
		if right := least + 1; right < len(m) && compareEntries(&m[right].entry, &m[least].entry) < 0 {
			least = right
		}
		if compareEntries(&m[i].entry, &m[least].entry) <= 0 {
			return
		}
		m[i], m[least] = m[least], m[i]
		i = least
	}
}

// cancelEvery is after how many entries a merge looks at its context.
const cancelEvery = 1 << 16

// merge gives the entries of all sources to visit, in order.
func merge(ctx context.Context, sources []source, visit func(*entry) error) error {
	m, err := newMerger(sources)
	if err != nil {
		return err
	}
	for n := 0; len(m) > 0; n++ {
		if n%cancelEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := visit(&m[0].entry); err != nil {
			return err
		}
		more, err := m[0].source.next(&m[0].entry)
		if err != nil {
			return err
		}
		if !more {
			m[0] = m[len(m)-1]
			m = m[:len(m)-1]
		}
		m.sink(0)
	}
	return nil
}
