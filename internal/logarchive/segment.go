package logarchive

import (
	"errors"
	"fmt"
)

// Position is a place in a log, counted in bytes. For PostgreSQL it is the LSN.
type Position uint64

// Kind says what a segment is.
type Kind string

const (
	// Whole is a segment as the server cuts its log.
	Whole Kind = "segment"
	// Slice is a piece of a segment that is not whole yet. It is superseded
	// when its segment is archived.
	Slice Kind = "slice"
	// Part is a segment that was given up half-way, as a promotion does. What
	// it has of the log, the line that goes on has, too.
	Part Kind = "part"
	// History is a file that tells where a line branches off.
	History Kind = "history"
	// Label is a file that tells where a base backup begins.
	Label Kind = "label"
	// Lost is a note that a part of the log was let go, and why.
	Lost Kind = "lost"
	// Adopted is a note that a server which was restored is the one whose log
	// this is from then on.
	Adopted Kind = "adopted"
)

// known tells whether there is such a kind.
func (k Kind) known() bool {
	switch k {
	case Whole, Slice, Part, History, Label, Lost, Adopted:
		return true
	}
	return false
}

// covers tells whether a segment of the kind holds all of its range. The
// others are files beside the log: they are in no chain.
func (k Kind) covers() bool { return k == Whole || k == Slice }

// Segment names one piece of a log.
type Segment struct {
	// Stream is the identity of the database cluster.
	Stream string
	// Line is the course of history, PostgreSQL's timeline.
	Line uint32
	Kind Kind
	// Name is the server's own name for the segment, such as
	// 000000010000000000000003. Slices bear the name of their segment.
	Name string
	// Start is the position of the first byte, End the one after the last.
	Start, End Position
}

// ErrInvalidSegment says that a segment contradicts itself.
var ErrInvalidSegment = errors.New("invalid log segment")

// maxNameBytes bounds the names that become parts of keys.
const maxNameBytes = 128

// validName tells whether a name can be a part of a key.
func validName(name string) bool {
	for i, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return name != "" && len(name) <= maxNameBytes
}

// check returns an ErrInvalidSegment for what must not become a key.
func (s Segment) check() error {
	switch {
	case !validName(s.Stream):
		return fmt.Errorf("%w: stream %q", ErrInvalidSegment, s.Stream)
	case !validName(s.Name):
		return fmt.Errorf("%w: name %q", ErrInvalidSegment, s.Name)
	case !s.Kind.known():
		return fmt.Errorf("%w: kind %q of %s", ErrInvalidSegment, s.Kind, s.Name)
	case s.End < s.Start, s.Kind.covers() && s.End == s.Start:
		return fmt.Errorf("%w: %s ends at %X, before it begins at %X", ErrInvalidSegment, s.Name, s.End, s.Start)
	}
	return nil
}
