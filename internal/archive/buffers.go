package archive

import (
	"sync"

	"holdfast/repository"
)

// chunkBuffers keeps the memory of chunks for reuse.
type chunkBuffers struct{ pool sync.Pool }

var _ repository.ChunkBuffers = (*chunkBuffers)(nil)

// Get returns an empty buffer with room for size bytes.
func (b *chunkBuffers) Get(size int) []byte {
	if p, ok := b.pool.Get().(*[]byte); ok && cap(*p) >= size {
		return (*p)[:0]
	}
	return make([]byte, 0, size)
}

// Put takes a buffer back.
func (b *chunkBuffers) Put(buf []byte) { b.pool.Put(&buf) }
