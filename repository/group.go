package repository

import (
	"errors"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/internal/codec"
	"holdfast/repository/internal/digest"
)

// Hasher hashes contents, several of them in little more time than one takes
// (see package digest).
type Hasher = digest.Hasher

// Namer is a Hasher for contents that are to be stored.
type Namer = digest.Namer

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
	// arena is memory for the plaintexts of small blobs, one after the other,
	// used as far as its length says. large is for one that does not fit, and
	// for another that is hashed with it. All of it is reused.
	arena  []byte
	large  [2][]byte
	hasher digest.Hasher
	plains [][]byte
	sums   []id.ID
	// again gives a blob whose content does not match its ID, if it can be had.
	again func(blob.Blob) ([]byte, error)
}

// arenaBytes is room for all small blobs of a group: those that are together no
// larger than groupBytes, or two of that size.
const arenaBytes = 2*groupBytes + groupBlobs*codec.Slack

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

// room is memory for the next blob, of n bytes of plaintext: of no length, and
// large enough, but for a blob larger than those before it.
func (g *group) room(n int) []byte {
	if n > groupBytes {
		return g.large[len(g.held)][:0]
	}
	if g.arena == nil {
		g.arena = make([]byte, 0, arenaBytes)
	}
	used := len(g.arena)
	return g.arena[used : used : used+n+codec.Slack]
}

// add holds a blob whose plaintext lies in the memory that room gave for it,
// or in what took its place because it was too small.
func (g *group) add(b blob.Blob, plain []byte) {
	if len(plain) > groupBytes {
		g.large[len(g.held)] = plain
	} else {
		g.arena = g.arena[:len(g.arena)+len(plain)+codec.Slack]
	}
	g.hold(b, plain)
}

// addStored holds a large blob whose plaintext stands in the memory of its
// stored bytes. That memory becomes the group's; other takes its place.
func (g *group) addStored(b blob.Blob, plain, stored []byte) (other []byte) {
	k := len(g.held)
	other, g.large[k] = g.large[k], stored
	g.hold(b, plain)
	return other
}

// hold holds a blob whose plaintext lies in memory that stays as it is until
// the group is shown.
func (g *group) hold(b blob.Blob, plain []byte) {
	g.held = append(g.held, heldBlob{b, plain})
	g.bytes += len(plain)
}

// addCopy holds a blob whose plaintext lies in memory that is needed.
func (g *group) addCopy(b blob.Blob, plain []byte) {
	g.add(b, append(g.room(len(plain)), plain...))
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
			h.plain, err = g.again(h.blob)
		}
		if err := visit(h.blob, h.plain, err); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) reset() { g.held, g.bytes, g.arena = g.held[:0], 0, g.arena[:0] }
