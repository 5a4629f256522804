package digest

import (
	"errors"

	"holdfast/repository/id"
)

// ErrUnsure says that two ways to hash one message gave two IDs.
var ErrUnsure = errors.New("two ways to compute one SHA-256 hash gave two results: the memory or the CPU of this machine may be faulty")

// sampleEvery is how many calls of a Namer there are to one message that is
// hashed a second time: with two messages a call that is 1 % of what hashing costs.
const sampleEvery = 64

// Namer is a Hasher for blobs that are to be stored. A blob with a wrong name
// would be found only when it is needed, so samples of what the two lanes give,
// its first call among them, are held to the standard library.
type Namer struct {
	hasher Hasher
	calls  int
}

// Of is Hasher.Of. It returns ErrUnsure when a sample is not as it should be:
// then none of the IDs can be relied on, nor those of calls before.
func (n *Namer) Of(dst []id.ID, messages [][]byte) ([]id.ID, error) {
	dst = n.hasher.Of(dst, messages)
	return dst, n.check(dst, messages)
}

// check hashes a message again now and then: one after the other of those in
// its place.
func (n *Namer) check(ids []id.ID, messages [][]byte) error {
	if len(messages) < 2 { // the standard library has hashed it
		return nil
	}
	call := n.calls
	n.calls++
	if call%sampleEvery != 0 {
		return nil
	}
	if k := call / sampleEvery % len(messages); id.Hash(messages[k]) != ids[k] {
		return ErrUnsure
	}
	return nil
}
