package digest

import (
	"testing"

	"holdfast/repository/id"
)

func TestAgrees(t *testing.T) {
	if !agrees((*Hasher).Of) {
		t.Error("what is used does not agree with the standard library")
	}
	for wrong := range 12 {
		if agrees(func(h *Hasher, dst []id.ID, messages [][]byte) []id.ID {
			dst = h.Of(dst, messages)
			dst[wrong][31] ^= 1
			return dst
		}) {
			t.Errorf("a wrong ID of message %d is not noticed", wrong)
		}
	}
}

func TestNamer(t *testing.T) {
	messages := [][]byte{[]byte("one"), []byte("two"), nil}
	var n Namer
	for range 3*sampleEvery + 1 {
		ids, err := n.Of(nil, messages)
		if err != nil {
			t.Fatal(err)
		}
		for k, m := range messages {
			if ids[k] != id.Hash(m) {
				t.Fatalf("message %d: %s, want %s", k, ids[k], id.Hash(m))
			}
		}
	}
}

// TestNamerIsUnsure gives one message of three a wrong ID: it is found when
// its turn comes.
func TestNamerIsUnsure(t *testing.T) {
	messages := [][]byte{[]byte("one"), []byte("two"), []byte("three")}
	for wrong := range messages {
		ids := new(Hasher).Of(nil, messages)
		ids[wrong][0] ^= 1
		var n Namer
		call := 0
		for n.check(ids, messages) == nil && call < 3*sampleEvery {
			call++
		}
		if call != wrong*sampleEvery {
			t.Errorf("message %d: found at call %d", wrong, call)
		}
		if err := new(Namer).check(ids[wrong:wrong+1], messages[wrong:wrong+1]); err != nil {
			t.Errorf("one alone is hashed twice: %v", err)
		}
	}
}
