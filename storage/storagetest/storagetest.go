// Package storagetest holds the contract of storage.Store as tests. Every
// implementation and every wrapper passes Run:
//
//	func TestContract(t *testing.T) {
//		storagetest.Run(t, func(t *testing.T) storage.Store { return mem.New() })
//	}
package storagetest

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/storage"
)

// Run tests that the stores which open makes obey the contract written at
// storage.Store. Each call of open gives an empty store that nobody else
// uses; open registers what has to be cleaned up with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) storage.Store) {
	tests := []struct {
		name string
		run  func(*testing.T, storage.Store)
	}{
		{"put and read back", testRoundTrip},
		{"put of a large object", testLarge},
		{"put on an existing key changes nothing", testPutExists},
		{"put with a failing body leaves nothing", testPutFailingBody},
		{"put with a short body leaves nothing", testPutShortBody},
		{"put cut off by its context leaves nothing", testPutCancelled},
		{"put again after delete", testPutAfterDelete},
		{"ranges", testRanges},
		{"get is read in any number of pieces", testSmallReads},
		{"several readers of one object", testIndependentReaders},
		{"missing objects", testMissing},
		{"delete", testDelete},
		{"list by prefix", testListPrefixes},
		{"list many", testListMany},
		{"list gives back the error of visit", testListVisitError},
		{"list stops when its context ends", testListCancelled},
		{"visit may use the store", testListReentrant},
		{"invalid keys are refused by all methods", testInvalidKeys},
		{"invalid prefixes are refused", testInvalidPrefixes},
		{"an ended context stops all methods", testEndedContext},
		{"spool: put and discard", testSpoolPut},
		{"spool: usable after a failed put", testSpoolAfterFailedPut},
		{"spool: unfinished is not listed", testSpoolUnlisted},
		{"spool: read while writing", testSpoolReadBack},
		{"concurrent use", testConcurrent},
		{"concurrent puts of one key: one wins", testConcurrentPutSameKey},
		{"location", testLocation},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func testLocation(t *testing.T, s storage.Store) {
	if s.Location() == "" {
		t.Error("Location() is empty")
	}
}

// randomBytes returns n bytes that are the same for the same seed.
func randomBytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	rand.NewChaCha8(key).Read(b)
	return b
}

func put(t *testing.T, s storage.Store, key string, data []byte) {
	t.Helper()
	if err := s.Put(t.Context(), key, storage.Bytes(data), storage.PutOptions{}); err != nil {
		t.Fatalf("Put(%q): %v", key, err)
	}
}

// wantObject checks that key holds exactly data, by Get and by Stat.
func wantObject(t *testing.T, s storage.Store, key string, data []byte) {
	t.Helper()
	got, err := storage.ReadAll(t.Context(), s, key)
	if err != nil {
		t.Fatalf("Get(%q): %v", key, err)
	}
	if !bytes.Equal(got, data) {
		t.Fatalf("Get(%q): %d bytes that differ from the %d stored", key, len(got), len(data))
	}
	info, err := s.Stat(t.Context(), key)
	if err != nil {
		t.Fatalf("Stat(%q): %v", key, err)
	}
	want := storage.Info{Key: key, SizeBytes: int64(len(data)), Stored: info.Stored}
	if info != want {
		t.Fatalf("Stat(%q) = %+v, want %+v", key, info, want)
	}
	// A day of tolerance: the clock of the place is not ours.
	if age := time.Since(info.Stored); !info.Stored.IsZero() && (age < -24*time.Hour || age > 24*time.Hour) {
		t.Fatalf("Stat(%q): put at %v, want now, or the zero time", key, info.Stored)
	}
}

// wantAbsent checks that no method can see an object under key.
func wantAbsent(t *testing.T, s storage.Store, key string) {
	t.Helper()
	if _, err := s.Stat(t.Context(), key); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Stat(%q) = %v, want ErrNotFound", key, err)
	}
	if r, err := s.Get(t.Context(), key, 0, -1); !errors.Is(err, storage.ErrNotFound) {
		if err == nil {
			r.Close()
		}
		t.Errorf("Get(%q) = %v, want ErrNotFound", key, err)
	}
	if slices.Contains(list(t, s, ""), key) {
		t.Errorf("List sees %q, want it absent", key)
	}
}

// list returns the sorted keys under prefix, each of which may be seen once.
func list(t *testing.T, s storage.Store, prefix string) []string {
	t.Helper()
	keys := []string{}
	err := s.List(t.Context(), prefix, func(info storage.Info) error {
		if !strings.HasPrefix(info.Key, prefix) {
			t.Errorf("List(%q) visits %q", prefix, info.Key)
		}
		keys = append(keys, info.Key)
		return nil
	})
	if err != nil {
		t.Fatalf("List(%q): %v", prefix, err)
	}
	slices.Sort(keys)
	if n := len(slices.Compact(slices.Clone(keys))); n != len(keys) {
		t.Errorf("List(%q) visits %d keys, only %d of them distinct", prefix, len(keys), n)
	}
	return keys
}

// body is a Body made of data that claims to be sizeBytes long. It calls
// before with the offset of every 4 KiB it is about to give, and fails with
// what before returns.
type body struct {
	data      []byte
	sizeBytes int64
	before    func(off int64) error
}

func (b body) Size() int64 { return b.sizeBytes }

func (b body) ReadAt(p []byte, off int64) (int, error) {
	const stepBytes = 4096
	n := 0
	for n < len(p) {
		at := off + int64(n)
		if b.before != nil {
			if err := b.before(at); err != nil {
				return n, err
			}
		}
		m, err := bytes.NewReader(b.data).ReadAt(p[n:min(n+stepBytes, len(p))], at)
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
