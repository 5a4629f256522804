package index

import (
	"cmp"
	"iter"
	"slices"

	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// view is the table as lookups see it: segments that, together, cover each
// index file once. It is immutable.
type view struct {
	// segments are sorted by size, largest first, where most blobs are found.
	segments []*segment
	// first is, for each segment, the position of its first entry.
	first []int
	// entries is the number of all entries.
	entries int
}

func newView(segments []*segment) *view {
	v := &view{segments: segments}
	slices.SortStableFunc(v.segments, func(a, b *segment) int { return cmp.Compare(b.len(), a.len()) })
	for _, s := range v.segments {
		v.first = append(v.first, v.entries)
		v.entries += s.len()
	}
	return v
}

func (v *view) covers(file id.ID) bool {
	for _, s := range v.segments {
		if slices.Contains(s.files, file) {
			return true
		}
	}
	return false
}

// find returns the segment that has a blob, by its number, and the blob's
// first entry there.
func (v *view) find(h blob.Handle) (segment, entry int, found bool) {
	for n, s := range v.segments {
		if i, ok := s.find(h); ok {
			return n, i, true
		}
	}
	return 0, 0, false
}

// Has tells whether a blob is stored.
func (x *Index) Has(h blob.Handle) bool {
	_, _, ok := x.current.Load().find(h)
	return ok
}

// Lookup returns a place where a blob is stored.
func (x *Index) Lookup(h blob.Handle) (blob.Location, bool) {
	v := x.current.Load()
	n, i, ok := v.find(h)
	if !ok {
		return blob.Location{}, false
	}
	return v.segments[n].blob(i).Location, true
}

// LookupAll appends all places where a blob is stored to dst, each once.
func (x *Index) LookupAll(dst []blob.Location, h blob.Handle) []blob.Location {
	old := len(dst)
	for _, s := range x.current.Load().segments {
		i, ok := s.find(h)
		for ; ok && i < s.len() && s.holds(i, h); i++ {
			if l := s.blob(i).Location; !slices.Contains(dst[old:], l) {
				dst = append(dst, l)
			}
		}
	}
	return dst
}

// Len returns the number of positions: of all entries, copies included.
func (x *Index) Len() int { return x.current.Load().entries }

// Position returns the number, from 0 to Len()-1, of one entry of a blob. It
// is the same for all copies of a blob, and as long as neither Sync nor Add
// is called.
func (x *Index) Position(h blob.Handle) (int, bool) {
	v := x.current.Load()
	n, i, ok := v.find(h)
	if !ok {
		return 0, false
	}
	return v.first[n] + i, true
}

// At returns the entry at a position. Several positions may hold copies of one
// blob. It panics if the position is not in [0, Len()).
func (x *Index) At(position int) blob.Blob { return x.current.Load().at(position) }

func (v *view) at(position int) blob.Blob {
	if position < 0 || position >= v.entries {
		panic("index: position out of range")
	}
	// Only segments without entries begin where another one does too; they
	// are the last, behind every position.
	n, ok := slices.BinarySearch(v.first, position)
	if !ok {
		n--
	}
	return v.segments[n].blob(position - v.first[n])
}

// All returns all entries in the order of their positions. Changes while it
// runs are not seen.
func (x *Index) All() iter.Seq[blob.Blob] {
	return func(yield func(blob.Blob) bool) {
		for _, s := range x.current.Load().segments {
			for i := range s.len() {
				if !yield(s.blob(i)) {
					return
				}
				s.passed(i + 1)
			}
		}
	}
}

// Files returns the IDs of the index files that the index holds.
func (x *Index) Files() []id.ID {
	var files []id.ID
	for _, s := range x.current.Load().segments {
		files = append(files, s.files...)
	}
	return files
}
