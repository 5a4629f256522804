package source

import (
	"context"
	"io"
	"time"

	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// Arrivals is a source whose files come one after the other, in an order of
// their own: from a server that sends them. Each is read once, while it is
// there.
type Arrivals interface {
	// Next returns the next file or directory, or io.EOF after the last. The
	// content of the one before is gone then. Any other error means that the
	// source is not whole: there is no snapshot.
	Next(ctx context.Context) (*Arrival, error)
}

// SideBySide is for Arrivals whose files can be read while others are: Next is
// called while files before are read. Content that is an io.Closer is closed
// after it was read, or given up. Next may wait for that.
type SideBySide interface {
	Arrivals
	// Readers is how many files may be read at once.
	Readers() int
}

// Settling is for Arrivals that read files last which have just changed, so
// that a later backup need not read them again.
type Settling interface {
	Arrivals
	// Settled returns, after the last arrival, what counts as the beginning of
	// the backup for Reuse: no file changed behind the back of its recorded
	// times that are older than that by what Reuse asks for. Zero is when the
	// backup began.
	Settled() time.Time
}

// Arrival is one file or directory.
type Arrival struct {
	// Path is where it stands in the snapshot, "/" between directories,
	// without one at the beginning. Directories above it need not come.
	Path string
	// Node is its metadata; Name and Content are filled in.
	Node tree.Node
	// Content is that of a file. It must yield exactly Node.Size bytes, but
	// if the size is not known, when SizeUnknown is set.
	Content     io.Reader
	SizeUnknown bool
	// Held, if not nil, are the blobs that the repository has the content in:
	// the file is as an earlier backup found it, and is not read.
	Held []id.ID
	// Known tells that an earlier backup has a file of this name, and Was, if
	// not nil, in which blobs: one that comes again as it was counts as such.
	Known bool
	Was   []id.ID
	// Changes, if not nil, tell that Content has only the blocks that differ
	// from an earlier backup; Node.Size is the size of the whole.
	Changes *Changes
	// AfterAll has the file read when all before it are stored, and Composed
	// was told of each.
	AfterAll bool
	// CutBytes cuts the file after every so many bytes; 0 cuts by content.
	CutBytes int
}
