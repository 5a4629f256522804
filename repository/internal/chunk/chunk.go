// Package chunk decides where a file is cut into blobs, and cuts it.
//
// A cut point depends only on the bytes just before it and on the distance
// to the previous cut, so equal runs of bytes in different files, or in two
// states of one file, end up in equal chunks and are stored once.
//
// Two methods exist. Rabin gives exactly the cut points that restic gives
// for a repository's polynomial. Gear is several times faster; repositories
// that holdfast made may use it (docs/format/gear-cutter.md).
//
// A method holds the read-only tables and is shared. A Cutter holds the
// state of one chunk being scanned. A Reader drives a Cutter over a stream.
package chunk

const (
	kiB = 1 << 10
	miB = 1 << 20
)

// Method makes cutters that share its tables. It is safe for concurrent use.
type Method interface {
	// NewCutter returns a cutter at the beginning of a chunk.
	NewCutter() Cutter
}

// Cutter finds the ends of chunks in a stream that is handed to it piece by
// piece. The cut points do not depend on how the stream is divided into
// pieces. A Cutter belongs to one goroutine.
type Cutter interface {
	// Next scans data, which follows the bytes scanned so far, and returns how
	// many of its bytes belong to the current chunk. If cut is true, the chunk
	// ends there: the rest of data, to be handed in again, begins a new one.
	// If cut is false, n is len(data).
	Next(data []byte) (n int, cut bool)
	// Reset drops the current chunk and begins a new one: the next stream.
	Reset()
	// MinSize is the length in bytes below which no chunk ends, but for the
	// last of a stream.
	MinSize() int
	// MaxSize is the length in bytes at which every chunk ends.
	MaxSize() int
}

// windowSize is how many bytes before a cut point decide about it, in both
// methods.
const windowSize = 64

// tail keeps the last windowSize bytes of a chunk, for a scan that goes on
// with its next piece.
type tail [windowSize]byte

// push appends data, which may be of any length.
func (t *tail) push(data []byte) {
	if len(data) >= windowSize {
		copy(t[:], data[len(data)-windowSize:])
		return
	}
	copy(t[:], t[len(data):])
	copy(t[windowSize-len(data):], data)
}
