package s3_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/s3"
	"holdfast/test/servers"

	"github.com/minio/minio-go/v7"
)

// noise is a body of random bytes that are never in memory as a whole.
type noise int64

func (n noise) Size() int64 { return int64(n) }

func (n noise) ReadAt(p []byte, off int64) (int, error) {
	const block = 4096
	var seed [32]byte
	for i := range p {
		at := off + int64(i)
		if i > 0 && at%block != 0 {
			continue
		}
		first := at / block * block
		seed[0], seed[1], seed[2], seed[3] = byte(first>>12), byte(first>>20), byte(first>>28), byte(first>>36)
		b := make([]byte, block)
		rand.NewChaCha8(seed).Read(b)
		copy(p[i:], b[at-first:])
	}
	return len(p), nil
}

// TestLargeBodyTakesNoMemory puts 250 MB with the usual sizes of parts.
func TestLargeBodyTakesNoMemory(t *testing.T) {
	s := open(t, place(t))
	body := noise(250 << 20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := s.Put(t.Context(), "data/large", body, storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 32<<20 {
		t.Errorf("the heap has grown by %d MiB", grown>>20)
	}
	h := sha256.New()
	r, err := s.Get(t.Context(), "data/large", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	buf, want := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(0); off < body.Size(); off += 1 << 20 {
		if _, err := readFull(r, buf); err != nil {
			t.Fatal(err)
		}
		body.ReadAt(want, off)
		if string(buf) != string(want) {
			t.Fatalf("other bytes from %d on", off)
		}
		h.Write(buf)
	}
	if err := s.Put(t.Context(), "data/large", body, storage.PutOptions{}); !errors.Is(err, storage.ErrExists) {
		t.Errorf("second Put = %v", err)
	}
	// The hash that the service keeps is that of the parts, and no use.
	if _, err := s.SHA256(t.Context(), "data/large"); !errors.Is(err, storage.ErrUnsupported) {
		t.Errorf("SHA256 = %v", err)
	}
}

func readFull(r interface{ Read([]byte) (int, error) }, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	if n == len(p) {
		err = nil
	}
	return n, err
}

func TestHashThatTheServiceKeeps(t *testing.T) {
	s := open(t, place(t))
	put(t, s, "data/1", "content")
	if sum, err := s.SHA256(t.Context(), "data/1"); err != nil || sum != sha256.Sum256([]byte("content")) {
		t.Errorf("SHA256 = %x, %v", sum, err)
	}
	if _, err := s.SHA256(t.Context(), "data/2"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("SHA256 of nothing = %v", err)
	}
}

// TestTwoPutsInPartsAtOnce: the condition is checked when the parts become an
// object, so only one can win.
func TestTwoPutsInPartsAtOnce(t *testing.T) {
	o := place(t)
	o.ConditionalCreate = s3.Yes
	results := make(chan error)
	const writers = 4
	for i := range writers {
		s := open(t, o)
		s.SetParts(6<<20, 5<<20)
		go func() {
			results <- s.Put(t.Context(), "data/1", storage.Bytes(make([]byte, 12<<20+i)), storage.PutOptions{})
		}()
	}
	won := 0
	for range writers {
		switch err := <-results; {
		case err == nil:
			won++
		case !errors.Is(err, storage.ErrExists):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d Puts won", won, writers)
	}
}

// TestNothingIsLeftOfAPutInParts that failed.
func TestNothingIsLeftOfAPutInParts(t *testing.T) {
	o := place(t)
	s := open(t, o)
	s.SetParts(6<<20, 5<<20)
	ctx, cancel := context.WithCancel(t.Context())
	body := &stopping{noise: 40 << 20, at: 30 << 20, stop: cancel}
	if err := s.Put(ctx, "data/1", body, storage.PutOptions{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("Put = %v", err)
	}
	for u := range servers.S3(t).Client().ListIncompleteUploads(t.Context(), o.Bucket, o.Prefix+"/data/1", true) {
		t.Errorf("an unfinished upload is left: %+v", u)
	}
}

type stopping struct {
	noise
	at   int64
	stop func()
}

func (s *stopping) ReadAt(p []byte, off int64) (int, error) {
	if off >= s.at {
		s.stop()
	}
	return s.noise.ReadAt(p, off)
}

// TestCleanEndsAbandonedUploads only; younger ones may be somebody's.
func TestCleanEndsAbandonedUploads(t *testing.T) {
	o := place(t)
	core := minio.Core{Client: servers.S3(t).Client()}
	id, err := core.NewMultipartUpload(t.Context(), o.Bucket, o.Prefix+"/data/1", minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	uploads := func() (n int) {
		for u := range core.ListIncompleteUploads(t.Context(), o.Bucket, o.Prefix+"/data/1", true) {
			if u.UploadID == id {
				n++
			}
		}
		return n
	}
	// MinIO lists the uploads of one object only, so that is the root here.
	root := o.Prefix + "/data/1"
	if err := open(t, o).CleanBefore(t.Context(), root, time.Now().Add(-time.Hour)); err != nil || uploads() != 1 {
		t.Fatalf("Clean = %v; %d uploads are left of one that was just begun", err, uploads())
	}
	if err := open(t, o).CleanBefore(t.Context(), root, time.Now().Add(time.Hour)); err != nil || uploads() != 0 {
		t.Errorf("Clean = %v; %d old uploads are left", err, uploads())
	}
}
