package repository

import (
	"io"

	"holdfast/repository/internal/chunk"
)

// CutMethod decides where files are cut into blobs. It may be shared.
type CutMethod = chunk.Method

// FixedCut cuts after every so many bytes: for files that change in place,
// page by page.
func FixedCut(bytes int) CutMethod { return chunk.Fixed(bytes) }

// ChunkBuffers hands out the memory that chunks are read into.
type ChunkBuffers = chunk.Buffers

// ChunkReader divides a stream into chunks, each in a buffer of its own. It
// belongs to one goroutine and can be reset for any number of streams.
type ChunkReader = chunk.Reader

// CutMethod returns the method of the given name, RabinCutter or GearCutter,
// or the repository's own for "". A repository without a gear seed always
// cuts as restic does.
func (r *Repository) CutMethod(name string) (CutMethod, error) {
	if name == "" {
		name = r.config.CutterName()
	}
	return r.config.cutMethod(name)
}

// NewChunkReader returns a reader without a stream: its Reset gives it one.
func NewChunkReader(m CutMethod, buffers ChunkBuffers) *ChunkReader {
	return chunk.NewReader(m.NewCutter(), buffers)
}

var _ interface {
	Reset(src io.Reader, hint int64)
	Next() ([]byte, error)
	Release()
} = (*ChunkReader)(nil)
