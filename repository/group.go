package repository

import (
	"errors"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/internal/digest"
)

// Hasher names contents, several of them in little more time than one takes
// (see package digest).
type Hasher = digest.Hasher

const (
	// groupBlobs and groupBytes bound the blobs that are hashed together: few
	// enough to be in the CPU's cache still, enough to hash two all the time.
	groupBlobs = 16
	groupBytes = 256 << 10
	// pairBytes is how large two blobs may be together to be hashed at once.
	// Larger ones would cost more memory than time is saved.
	pairBytes = 4 << 20
)

// group holds blobs that were opened until they are hashed, several at once,
// and shown.
type group struct {
	held  []heldBlob
	bytes int
	// room is memory for the plaintext of each blob that is held; it is
	// reused.
	room   [groupBlobs][]byte
	hasher digest.Hasher
	plains [][]byte
	sums   []id.ID
}

type heldBlob struct {
	blob  blob.Blob
	plain []byte
}

// fits tells whether a blob of n bytes may join those that are held.
func (g *group) fits(n int) bool {
	switch len(g.held) {
	case 0:
		return true
	case 1:
		return g.bytes+n <= pairBytes
	case groupBlobs:
		return false
	}
	return g.bytes+n <= groupBytes
}

// memory is room for the plaintext of the next blob.
func (g *group) memory() []byte { return g.room[len(g.held)] }

// add holds a blob. memory, if there is any, is what its plaintext lies in,
// and becomes the group's.
func (g *group) add(b blob.Blob, plain, memory []byte) {
	if memory != nil {
		g.room[len(g.held)] = memory
	}
	g.held = append(g.held, heldBlob{b, plain})
	g.bytes += len(plain)
}

// addCopy holds a blob whose plaintext lies in memory that is needed.
func (g *group) addCopy(b blob.Blob, plain []byte) {
	plain = append(g.memory()[:0], plain...)
	g.add(b, plain, plain)
}

// errWrongContent says that a blob opened well and is not what its ID says.
var errWrongContent = errors.New("its content does not match its ID")

// flush hashes the blobs that are held and shows them in their order.
func (g *group) flush(visit func(b blob.Blob, plain []byte, err error) error) error {
	g.plains = g.plains[:0]
	for k := range g.held {
		g.plains = append(g.plains, g.held[k].plain)
	}
	g.sums = g.hasher.Of(g.sums, g.plains)
	held := g.held
	g.reset()
	for k, h := range held {
		var err error
		if g.sums[k] != h.blob.ID {
			h.plain, err = nil, corruptBlob(h.blob, errWrongContent)
		}
		if err := visit(h.blob, h.plain, err); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) reset() { g.held, g.bytes = g.held[:0], 0 }
