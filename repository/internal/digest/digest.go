// Package digest hashes several blobs at once.
//
// The instructions that CPUs have for SHA-256 wait for each other: one message
// keeps them busy for about half the time. Two messages, hashed alternately by
// one goroutine, take little more time than one. Where a CPU has no such
// instructions, or gives other results than the standard library does, messages
// are hashed by the latter, one after the other.
//
// A Hasher is for blobs whose IDs are known, a Namer for those that get theirs.
package digest

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"holdfast/repository/id"
)

// Hasher hashes messages in two lanes. Its zero value is ready for use, by one
// goroutine.
type Hasher struct {
	a, b     lane
	messages [][]byte
	sums     []id.ID
	// order is that in which the lanes take messages, of which taken are:
	// long ones first, so that both lanes end at about the same time.
	order []int
	taken int
}

// Of returns the ID of each message, in dst[:0], which it grows where needed.
func (h *Hasher) Of(dst []id.ID, messages [][]byte) []id.ID {
	dst = dst[:0]
	if len(messages) < 2 || !twoLanes() {
		for _, m := range messages {
			dst = append(dst, id.Hash(m))
		}
		return dst
	}
	return h.inLanes(dst, messages)
}

// inLanes is Of by the CPU's instructions.
func (h *Hasher) inLanes(dst []id.ID, messages [][]byte) []id.ID {
	dst = slices.Grow(dst, len(messages))[:len(messages)]
	h.messages, h.sums, h.taken = messages, dst, 0
	h.order = h.order[:0]
	for n := range messages {
		h.order = append(h.order, n)
	}
	slices.SortStableFunc(h.order, func(a, b int) int { return len(messages[b]) - len(messages[a]) })
	h.hash()
	h.messages, h.sums = nil, nil
	return dst
}

// lane hashes one message after the other.
type lane struct {
	state [8]uint32
	// rest are the blocks to be hashed next, of the message or of tail; none
	// when all messages are taken.
	rest []byte
	// padded is what comes then: what of tail was not yet hashed.
	padded []byte
	// tail is the end of the message, padded.
	tail   [2 * sha256.BlockSize]byte
	number int // of the message
}

func (h *Hasher) hash() {
	h.take(&h.a)
	h.take(&h.b)
	for len(h.a.rest) > 0 && len(h.b.rest) > 0 {
		n := min(len(h.a.rest), len(h.b.rest))
		twoBlocks(&h.a.state, &h.b.state, &h.a.rest[0], &h.b.rest[0], n/sha256.BlockSize)
		h.passed(&h.a, n)
		h.passed(&h.b, n)
	}
	for _, l := range []*lane{&h.a, &h.b} {
		for len(l.rest) > 0 {
			blocks(&l.state, &l.rest[0], len(l.rest)/sha256.BlockSize)
			h.passed(l, len(l.rest))
		}
	}
}

// passed tells a lane that the next n bytes are hashed, and finds more for it.
func (h *Hasher) passed(l *lane, n int) {
	l.rest = l.rest[n:]
	if len(l.rest) > 0 {
		return
	}
	if len(l.padded) > 0 {
		l.rest, l.padded = l.padded, nil
		return
	}
	l.sum(&h.sums[l.number])
	h.take(l)
}

// take gives a lane the next message, if there is one.
func (h *Hasher) take(l *lane) {
	if h.taken == len(h.messages) {
		return
	}
	number := h.order[h.taken]
	l.begin(h.messages[number], number)
	h.taken++
}

// The words of the hash begin as FIPS 180-4, section 5.3.3, says. They stand
// in the order that the instructions want.
const (
	f, e, b, a, h, g, d, c = 0, 1, 2, 3, 4, 5, 6, 7

	startA, startB, startC, startD = 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a
	startE, startF, startG, startH = 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
)

func (l *lane) begin(message []byte, number int) {
	l.state = [8]uint32{
		a: startA, b: startB, c: startC, d: startD,
		e: startE, f: startF, g: startG, h: startH,
	}
	l.number = number
	whole := len(message) &^ (sha256.BlockSize - 1)
	l.rest, l.padded = message[:whole], l.pad(message[whole:], len(message))
	if whole == 0 {
		l.rest, l.padded = l.padded, nil
	}
}

// pad completes the last blocks of a message (section 5.1.1).
func (l *lane) pad(end []byte, length int) []byte {
	tail := l.tail[:sha256.BlockSize]
	if len(end)+1+lengthBytes > sha256.BlockSize {
		tail = l.tail[:]
	}
	clear(tail[copy(tail, end):])
	tail[len(end)] = 0x80
	binary.BigEndian.PutUint64(tail[len(tail)-lengthBytes:], uint64(length)*8) //nolint:gosec // not negative
	return tail
}

// lengthBytes is the size of the length that ends the last block.
const lengthBytes = 8

func (l *lane) sum(to *id.ID) {
	for n, word := range [8]int{a, b, c, d, e, f, g, h} {
		binary.BigEndian.PutUint32(to[4*n:], l.state[word])
	}
}
