package index

import (
	"iter"

	"holdfast/repository/id"
)

// Frozen returns the table as it is now: positions in it never move, whatever
// Sync and Add do to x. It shares the mapped files of x. It must be neither
// changed nor closed, nor used after x is closed.
func (x *Index) Frozen() *Index {
	f := &Index{}
	f.current.Store(x.current.Load())
	return f
}

// Listing says that an index file lists a pack, and with how many blobs.
type Listing struct {
	Pack, File id.ID
	Blobs      int
}

// Listings returns what each index file lists, in the order of the packs. A
// pack that several index files list comes several times in a row.
// It takes 12 bytes of memory for each.
func (x *Index) Listings() iter.Seq[Listing] {
	return func(yield func(Listing) bool) {
		v := x.current.Load()
		counts := v.rowCounts()
		for _, r := range v.packRows(nil) {
			s := v.segments[r.segment]
			pack, file := s.pack(r.row)
			if !yield(Listing{Pack: pack, File: s.files[file], Blobs: int(counts[r.segment][r.row])}) {
				return
			}
		}
	}
}

// rowCounts returns the number of entries of each pack row of each segment.
func (v *view) rowCounts() [][]uint32 {
	counts := make([][]uint32, len(v.segments))
	for n, s := range v.segments {
		counts[n] = make([]uint32, s.packs())
		for i := range s.len() {
			counts[n][s.rowOf(i)]++
			s.passed(i + 1)
		}
	}
	return counts
}
