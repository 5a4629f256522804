package storagetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/storage"
)

// Trouble is what a service, a disk or the way there does to a store.
type Trouble string

// The troubles of RunHostile. How a kind of store meets each:
//
//	              S3, Azure, Google Cloud, REST           SFTP, folders
//	CutShort      the connection ends in an answer        the file is cut off while it is read
//	LyingLength   Content-Length fits half of the range   the file is shorter than the object was
//	WrongHash     a bit of the request flips              storage/fault flips a bit of what is put
//	StaleLists    old answers to the same request         storage/fault lists what was
//	SkewedClock   Date and Last-Modified are off          files are dated otherwise
//
// The former meet it from a proxy before a real server. SFTP and folders have
// no checksum of what is put and no lists that lag: there the wrapper
// storage/fault plays the trouble, and what is tested is that those above are
// not fooled.
const (
	// CutShort: what is read breaks off in the middle.
	CutShort Trouble = "cut-short reads"
	// LyingLength: what is read is shorter than asked for, and nothing says so
	// but the answer's own length.
	LyingLength Trouble = "lying Content-Length"
	// WrongHash: what arrives is not what was sent.
	WrongHash Trouble = "wrong hash"
	// StaleLists: lists show what was there before.
	StaleLists Trouble = "list-after-write lag"
	// SkewedClock: the clock of the service is an hour off.
	SkewedClock Trouble = "clock skew"
)

// SkewBy is how far the clock of SkewedClock is ahead.
const SkewBy = time.Hour

// Hostile is an empty store that can be brought into one kind of trouble.
type Hostile struct {
	Store storage.Store
	// Strike lets the next n operations that the trouble is about meet it: all
	// from now on if n is negative, none any more if it is 0.
	Strike func(n int)
}

// Wrappers are what stands around every store that is in use.
type Wrappers struct {
	// Patient tries again what failed and may pass (storage/retry), a few times
	// and soon.
	Patient func(storage.Store) storage.Store
	// Confirming takes nothing for stored before it is known to be what was
	// sent (storage/confirm).
	Confirming func(storage.Store) storage.Store
}

// RunHostile tests that stores under trouble are never wrong without saying
// so, and that one that tries again gets everything right once the trouble is
// over. Objects are named as those of a repository are: by their hash. open
// registers what has to be cleaned up with t.Cleanup.
func RunHostile(t *testing.T, around Wrappers, open func(t *testing.T, trouble Trouble) Hostile) {
	for _, test := range []struct {
		trouble Trouble
		run     func(*testing.T, Wrappers, Hostile)
	}{
		{CutShort, testBadReads},
		{LyingLength, testBadReads},
		{WrongHash, testWrongHash},
		{StaleLists, testStaleLists},
		{SkewedClock, testSkewedClock},
	} {
		t.Run(string(test.trouble), func(t *testing.T) { test.run(t, around, open(t, test.trouble)) })
	}
}

// hostileObject returns an object, and its key in the folder of its kind.
func hostileObject(kind string, seed uint64, n int) (key string, data []byte) {
	data = randomBytes(seed, n)
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:])
	if kind == "data" {
		return "data/" + name[:2] + "/" + name, data
	}
	return kind + "/" + name, data
}

// putHashed puts an object as a repository does.
func putHashed(ctx context.Context, s storage.Store, key string, data []byte) error {
	sum := sha256.Sum256(data)
	return s.Put(ctx, key, storage.Bytes(data), storage.PutOptions{SHA256: &sum})
}

// putAgain puts what is there. Services may close the connection over it, so
// that an answer of theirs does not arrive.
func putAgain(ctx context.Context, s storage.Store, key string, data []byte) (err error) {
	for range 5 {
		if err = putHashed(ctx, s, key, data); err == nil || storage.IsPermanent(err) {
			break
		}
	}
	return err
}

func mustPutHashed(t *testing.T, s storage.Store, key string, data []byte) {
	t.Helper()
	if err := putHashed(t.Context(), s, key, data); err != nil {
		t.Fatalf("Put(%s): %v", key, err)
	}
}

func testBadReads(t *testing.T, around Wrappers, h Hostile) {
	key, data := hostileObject("data", 20, 100_000)
	mustPutHashed(t, h.Store, key, data)
	ranges := [][2]int64{{0, 100_000}, {0, 1000}, {50_000, 40_000}, {99_000, 1000}}
	h.Strike(-1)
	for _, r := range ranges {
		got, err := read(t, h.Store, key, r[0], r[1])
		switch {
		case err == nil:
			t.Errorf("range %v gives %d bytes and no error", r, len(got))
		case errors.Is(err, storage.ErrNotFound), storage.IsPermanent(err):
			t.Errorf("range %v = %v, which nobody tries again", r, err)
		}
	}
	for _, r := range ranges { // each read meets it once
		h.Strike(1)
		got, err := read(t, around.Patient(h.Store), key, r[0], r[1])
		if err != nil || !bytes.Equal(got, data[r[0]:r[0]+r[1]]) {
			t.Errorf("range %v, tried again: %d bytes, %v", r, len(got), err)
		}
	}
	h.Strike(0)
	wantObject(t, h.Store, key, data)
}

func testWrongHash(t *testing.T, around Wrappers, h Hostile) {
	key, data := hostileObject("data", 21, 200_000)
	s := around.Confirming(around.Patient(h.Store))
	h.Strike(-1)
	if err := putHashed(t.Context(), s, key, data); err == nil || errors.Is(err, storage.ErrExists) {
		t.Errorf("Put of what always arrives damaged = %v", err)
	}
	h.Strike(0)
	wantAbsent(t, h.Store, key)

	h.Strike(1)
	err := putHashed(t.Context(), s, key, data)
	if err != nil && !errors.Is(err, storage.ErrConflict) {
		t.Fatalf("Put of what arrived damaged once = %v, want nil or ErrConflict", err)
	}
	h.Strike(0)
	if err != nil {
		wantAbsent(t, h.Store, key)
		mustPutHashed(t, s, key, data)
	}
	wantObject(t, h.Store, key, data)
}

func testStaleLists(t *testing.T, around Wrappers, h Hostile) {
	s := around.Patient(h.Store)
	first, old := hostileObject("index", 22, 1000)
	mustPutHashed(t, s, first, old)
	if got := list(t, s, "index/"); !slices.Equal(got, []string{first}) {
		t.Fatalf("List = %q", got)
	}
	h.Strike(-1)
	second, fresh := hostileObject("index", 23, 1000)
	mustPutHashed(t, s, second, fresh)
	// What was put is there for everybody who knows its name.
	if got, err := storage.ReadAll(t.Context(), s, second); err != nil || !bytes.Equal(got, fresh) {
		t.Errorf("Get of what no list shows yet = %d bytes, %v", len(got), err)
	}
	if info, err := s.Stat(t.Context(), second); err != nil || info.SizeBytes != int64(len(fresh)) {
		t.Errorf("Stat of what no list shows yet = %+v, %v", info, err)
	}
	if err := putAgain(t.Context(), h.Store, second, fresh); !errors.Is(err, storage.ErrExists) {
		t.Errorf("Put of what no list shows yet = %v, want ErrExists", err)
	}
	if got := list(t, s, "index/"); slices.Contains(got, second) {
		t.Errorf("the list is not stale: %q", got)
	}
	// What was deleted is gone for everybody who asks for it.
	if err := s.Delete(t.Context(), first); err != nil {
		t.Errorf("Delete = %v", err)
	}
	if got := list(t, s, "index/"); !slices.Contains(got, first) {
		t.Errorf("the list is not stale: %q", got)
	}
	if _, err := s.Stat(t.Context(), first); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Stat of what a list shows still = %v, want ErrNotFound", err)
	}
	h.Strike(0)
	if got := list(t, s, "index/"); !slices.Equal(got, []string{second}) {
		t.Errorf("List in the end = %q, want %q", got, second)
	}
}

func testSkewedClock(t *testing.T, around Wrappers, h Hostile) {
	s := around.Patient(h.Store)
	h.Strike(-1)
	key, data := hostileObject("data", 24, 100_000)
	mustPutHashed(t, s, key, data)
	wantObject(t, s, key, data) // dated within a day of now
	if err := putAgain(t.Context(), h.Store, key, data); !errors.Is(err, storage.ErrExists) {
		t.Errorf("Put of what is there = %v, want ErrExists", err)
	}
	if p, ok := storage.As[storage.Prober](s); ok {
		probe, err := p.Probe(t.Context())
		if err != nil || (probe.ClockSkew-SkewBy).Abs() > SkewBy/10 {
			t.Errorf("Probe = %+v, %v; want a clock that is %v ahead", probe, err, SkewBy)
		}
	}
	if err := s.Delete(t.Context(), key); err != nil {
		t.Error(err)
	}
	wantAbsent(t, s, key)
	testCleanUnderWay(t, h)
}

// testCleanUnderWay clears up while an object is on its way: by no clock is
// that left behind.
func testCleanUnderWay(t *testing.T, h Hostile) {
	c, ok := storage.As[storage.Cleaner](h.Store)
	if !ok {
		return
	}
	key, data := hostileObject("data", 25, 3<<20)
	var cleaned atomic.Bool
	b := body{data: data, sizeBytes: int64(len(data)), before: func(off int64) error {
		if off < 1<<20 || !cleaned.CompareAndSwap(false, true) {
			return nil
		}
		h.Strike(-1) // what is there by now
		return c.Clean(context.WithoutCancel(t.Context()))
	}}
	sum := sha256.Sum256(data)
	if err := h.Store.Put(t.Context(), key, b, storage.PutOptions{SHA256: &sum}); err != nil {
		t.Fatalf("Put while somebody clears up = %v", err)
	}
	if !cleaned.Load() {
		t.Fatal("nobody cleared up")
	}
	wantObject(t, h.Store, key, data)
}
