package tree

import (
	"strings"

	"holdfast/repository/id"
)

// The arenas give out small pieces of larger allocations and never take one
// back, so what they gave stays valid for as long as it is used. Their
// chunks are small, since one piece in use keeps its whole chunk.
const (
	textChunkBytes = 2 << 10
	idChunkLength  = 64
)

// textArena makes strings.
type textArena struct{ chunk strings.Builder }

// add returns text as a string.
func (a *textArena) add(text []byte) string {
	if len(text) > textChunkBytes/4 {
		return string(text)
	}
	if a.chunk.Cap()-a.chunk.Len() < len(text) {
		a.chunk.Reset()
		a.chunk.Grow(textChunkBytes)
	}
	start := a.chunk.Len()
	a.chunk.Write(text)
	return a.chunk.String()[start:]
}

// idArena makes lists of IDs. One list grows at a time, the last of chunk.
type idArena struct {
	chunk []id.ID
	start int // of the list that grows
}

// begin starts a new list.
func (a *idArena) begin() { a.start = len(a.chunk) }

// grow adds a zero ID to the list and returns where it is.
func (a *idArena) grow() *id.ID {
	if len(a.chunk) == cap(a.chunk) {
		list := a.chunk[a.start:]
		a.chunk = append(make([]id.ID, 0, max(idChunkLength, 2*len(list))), list...)
		a.start = 0
	}
	a.chunk = a.chunk[:len(a.chunk)+1]
	return &a.chunk[len(a.chunk)-1]
}

// list returns the list, which is not nil.
func (a *idArena) list() []id.ID {
	if len(a.chunk) == a.start {
		return []id.ID{}
	}
	return a.chunk[a.start:len(a.chunk):len(a.chunk)]
}
