package archive

import (
	"math/bits"
	"sync"

	"holdfast/repository"
)

// The buffers kept for reuse have 2^12 to 2^24 bytes. The largest blob of
// common repositories has 8 MiB.
const (
	minBufferClass = 12
	maxBufferClass = 24
)

// buffers keeps the memory of blobs for reuse, in classes of powers of two: a
// small blob must not hold a large buffer.
type buffers struct {
	pools [maxBufferClass + 1]sync.Pool
}

var _ repository.ChunkBuffers = (*buffers)(nil)

// roomFor returns the size of the buffer that Get gives for size bytes.
func roomFor(size int) int {
	if class := classOf(size); class <= maxBufferClass {
		return 1 << class
	}
	return size
}

func classOf(size int) int {
	return max(minBufferClass, bits.Len(uint(max(size, 1)-1))) //nolint:gosec // not negative
}

// Get returns an empty buffer with room for size bytes.
func (b *buffers) Get(size int) []byte {
	class := classOf(size)
	if class > maxBufferClass {
		return make([]byte, 0, size)
	}
	if p, ok := b.pools[class].Get().(*[]byte); ok {
		return (*p)[:0]
	}
	return make([]byte, 0, 1<<class)
}

// Put takes a buffer back.
func (b *buffers) Put(buf []byte) {
	class := bits.Len(uint(max(cap(buf), 1)) >> 1) //nolint:gosec // not negative
	if class >= minBufferClass && class <= maxBufferClass && cap(buf) == 1<<class {
		b.pools[class].Put(&buf)
	}
}
