package backup

import (
	"math/bits"
	"sync"

	"holdfast/repository"
)

const (
	// minBufferClass and maxBufferClass bound the buffers that are kept for
	// reuse: 2^12 to 2^24 bytes. The largest chunk has 8 MiB.
	minBufferClass = 12
	maxBufferClass = 24
	// usualBufferClass is that of chunks of 2 MiB. Of the next one a buffer is
	// kept, and none of those above: few chunks are so large (3 in 100 of
	// Rabin's, none of gear's), and each buffer takes more than all others.
	usualBufferClass = 21
)

// buffers keeps the memory of chunks for reuse, in classes of powers of two.
// What is kept is bounded: one buffer of each usual class for every reader and
// one for what it has handed over, and of small ones as many as wait.
type buffers struct {
	mu      sync.Mutex
	free    [maxBufferClass + 1][][]byte
	readers int
}

var _ repository.ChunkBuffers = (*buffers)(nil)

func newBuffers(readers int) *buffers { return &buffers{readers: readers} }

// Get returns an empty buffer with room for size bytes.
func (b *buffers) Get(size int) []byte {
	class := max(minBufferClass, bits.Len(uint(max(size, 1)-1))) //nolint:gosec // not negative
	if class > maxBufferClass {
		return make([]byte, 0, size)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.free[class]); n > 0 {
		buf := b.free[class][n-1]
		b.free[class] = b.free[class][:n-1]
		return buf
	}
	return make([]byte, 0, 1<<class)
}

// Put takes a buffer back.
func (b *buffers) Put(buf []byte) {
	class := bits.Len(uint(max(cap(buf), 1)) >> 1) //nolint:gosec // not negative
	if class < minBufferClass || class > maxBufferClass || cap(buf) != 1<<class {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.free[class]) < b.kept(class) {
		b.free[class] = append(b.free[class], buf[:0])
	}
}

// kept returns how many free buffers of a class are kept.
func (b *buffers) kept(class int) int {
	switch {
	case class <= usualBufferClass:
		return b.readers * max(2, min(waitingCount, waitingBytes>>class))
	case class == usualBufferClass+1:
		return min(b.readers, 1)
	}
	return 0
}

// drop lets go of all that is kept, and keeps nothing more: all is read, and
// the memory is wanted for the index.
func (b *buffers) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.free[:])
	b.readers = 0
}
