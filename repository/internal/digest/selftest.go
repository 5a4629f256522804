package digest

import (
	"crypto/sha256"
	"sync"

	"holdfast/repository/id"
)

// twoLanes tells whether this CPU hashes two messages at once, and does it
// right: that is tried once, before the first use.
var twoLanes = sync.OnceValue(func() bool { return hasInstructions() && agrees((*Hasher).inLanes) })

// agrees tells whether messages of all kinds of lengths, hashed together by
// of, get the IDs that the standard library gives them. It takes some 20 µs.
func agrees(of func(h *Hasher, dst []id.ID, messages [][]byte) []id.ID) bool {
	all := make([]byte, 4<<10)
	for k := range all {
		all[k] = byte(k*k>>3 + 5*k)
	}
	// Around the ends of blocks and of what is padded to one; two of one length,
	// and one that is much longer than all others.
	var messages [][]byte
	for k, length := range []int{len(all) - 16, 0, 1, 55, 56, 63, 64, 119, 120, 128, 128, 1000} {
		messages = append(messages, all[k:][:length])
	}
	for k, got := range of(new(Hasher), nil, messages) {
		if sha256.Sum256(messages[k]) != got {
			return false
		}
	}
	return true
}
