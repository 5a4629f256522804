package snapfs

import (
	"iter"
	"math/bits"

	"holdfast/repository"
	"holdfast/repository/blob"
)

// BlobSet is a set of blobs of a repository: one bit for each entry of the
// index, however many blobs are in it. It is for one goroutine, and of no use
// any more when the index has changed.
type BlobSet struct {
	index *repository.Index
	words []uint64
}

// NewBlobSet returns an empty set. The index of the repository is loaded.
func NewBlobSet(r *repository.Repository) *BlobSet {
	index := r.Index()
	return &BlobSet{index: index, words: make([]uint64, (index.Len()+63)/64)}
}

// Add puts a blob into the set and tells whether it is new there. A blob that
// the index does not list is neither: indexed is false.
func (s *BlobSet) Add(h blob.Handle) (added, indexed bool) {
	i, ok := s.index.Position(h)
	if !ok {
		return false, false
	}
	word, bit := i/64, uint64(1)<<(i%64)
	if s.words[word]&bit != 0 {
		return false, true
	}
	s.words[word] |= bit
	return true, true
}

// Has tells whether a blob is in the set.
func (s *BlobSet) Has(h blob.Handle) bool {
	i, ok := s.index.Position(h)
	return ok && s.words[i/64]>>(i%64)&1 != 0
}

// IsEmpty tells whether there is no blob in the set.
func (s *BlobSet) IsEmpty() bool {
	for _, w := range s.words {
		if w != 0 {
			return false
		}
	}
	return true
}

// Subtract takes the blobs of another set out of s.
func (s *BlobSet) Subtract(o *BlobSet) {
	for n := range s.words {
		s.words[n] &^= o.words[n]
	}
}

// Clone returns a copy of the set.
func (s *BlobSet) Clone() *BlobSet {
	return &BlobSet{index: s.index, words: append([]uint64(nil), s.words...)}
}

// All returns the blobs of the set with one place where each is stored.
func (s *BlobSet) All() iter.Seq[blob.Blob] {
	return func(yield func(blob.Blob) bool) {
		for n, w := range s.words {
			for ; w != 0; w &= w - 1 {
				if !yield(s.index.At(n*64 + bits.TrailingZeros64(w))) {
					return
				}
			}
		}
	}
}
