package rest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/internal/restserver"
	"holdfast/storage"
	"holdfast/storage/retry"
	"holdfast/test/wan"
)

func randomBytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	rand.NewChaCha8(key).Read(b)
	return b
}

func packKey(data []byte) string {
	id := idOf(string(data))
	return "data/" + id[:2] + "/" + id
}

// inParallel runs do for 0..n-1 on so many workers.
func inParallel(t *testing.T, workers, n int, do func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				if err := do(i); err != nil {
					t.Errorf("task %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
}

// Requests fail in every way HTTP knows. Retrying finishes everything, and
// nothing is torn, lost or taken for what it is not.
func TestFaults(t *testing.T) {
	server := our(t, nil)
	create(t, server)
	for _, fault := range []wan.Fault{wan.ServerError, wan.SlowDown, wan.LostAnswer, wan.Reset, wan.ResetDone, wan.CutUpload, wan.CutBody} {
		t.Run(string(fault), func(t *testing.T) {
			proxy, err := wan.NewProxy(server, 1, wan.Rule{Fault: fault, Share: 0.2})
			if err != nil {
				t.Fatal(err)
			}
			defer proxy.Close()
			place, err := parsed(proxy.URL() + "/")
			if err != nil {
				t.Fatal(err)
			}
			s := retry.New(place, retry.Policy{FirstDelay: time.Millisecond, MaxDelay: 10 * time.Millisecond})
			const n = 30
			objects := make([][]byte, n)
			for i := range objects {
				objects[i] = append([]byte(fault), randomBytes(uint64(i), 300_000)...)
			}
			inParallel(t, 6, n, func(i int) error {
				key := packKey(objects[i])
				if err := s.Put(t.Context(), key, storage.Bytes(objects[i]), storage.PutOptions{}); err != nil {
					return err
				}
				got, err := storage.ReadAll(t.Context(), s, key)
				if err == nil && !bytes.Equal(got, objects[i]) {
					err = errors.New("read back other bytes")
				}
				return err
			})
			for range 10 {
				seen := 0
				if err := s.List(t.Context(), "data/", func(storage.Info) error { seen++; return nil }); err != nil || seen != n {
					t.Errorf("List sees %d of %d objects, err %v", seen, n, err)
				}
			}
			inParallel(t, 6, n, func(i int) error { return s.Delete(t.Context(), packKey(objects[i])) })
			if len(proxy.Injected()) == 0 && fault != wan.CutUpload && fault != wan.CutBody {
				t.Error("no request met the fault")
			}
		})
	}
}

// An answer that is shorter than the range asked for is said to be.
func TestShortAnswer(t *testing.T) {
	server := our(t, nil)
	data := randomBytes(1, 100_000)
	if err := put(create(t, server), packKey(data), string(data)); err != nil {
		t.Fatal(err)
	}
	proxy, err := wan.NewProxy(server, 1, wan.Rule{Fault: wan.ShortBody, Method: "GET"})
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	s, err := parsed(proxy.URL() + "/")
	if err != nil {
		t.Fatal(err)
	}
	err = storage.ReadRange(t.Context(), s, packKey(data), 1000, make([]byte, 50_000))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a short answer gives %v, want ErrUnexpectedEOF", err)
	}
	if err := s.List(t.Context(), "data/", func(storage.Info) error { return nil }); err == nil {
		t.Error("a list that is cut short is taken for whole")
	}
}

// TestLongLine keeps the line busy with packs, both ways.
func TestLongLine(t *testing.T) {
	const (
		packs, packBytes = 24, 8 << 20
		workers          = 8
		// A quiet machine reaches 0.9; the rest is for busy ones.
		wantShare = 0.6
	)
	server, err := url.Parse(our(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	link, err := wan.NewLink(server.Host, wan.Options{RoundTrip: 50 * time.Millisecond, BitsPerSecond: 200e6})
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	s := create(t, "http://"+link.Address()+"/")
	objects := make([][]byte, packs)
	for i := range objects {
		objects[i] = randomBytes(uint64(i), packBytes)
	}
	measure := func(name string, usage func() wan.Usage, do func(i int) error) {
		start, before := time.Now(), usage()
		inParallel(t, workers, packs, do)
		took := time.Since(start)
		share := usage().Since(before).Share(took)
		t.Logf("%s: %v, line busy for %.0f %%", name, took.Round(time.Millisecond), 100*share)
		if share < wantShare {
			t.Errorf("%s keeps the line busy for %.0f %% of the time, want %.0f %%", name, 100*share, 100*wantShare)
		}
	}
	measure("put", link.Up, func(i int) error {
		return s.Put(t.Context(), packKey(objects[i]), storage.Bytes(objects[i]), storage.PutOptions{})
	})
	measure("get", link.Down, func(i int) error {
		got, err := storage.ReadAll(t.Context(), s, packKey(objects[i]))
		if err == nil && !bytes.Equal(got, objects[i]) {
			err = errors.New("read other bytes")
		}
		return err
	})
}

// A full disk of the server is told from other failures.
func TestFullServer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a disk that is soon full")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", 8<<20)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := create(t, our(t, func(c *restserver.Config) { c.Path = dir }))
	large := strings.Repeat("x", 9<<20)
	if err := put(s, packKey([]byte(large)), large); !errors.Is(err, storage.ErrFull) {
		t.Errorf("Put on a full disk = %v, want ErrFull", err)
	}
	if err := put(s, packKey([]byte("small")), "small"); err != nil {
		t.Errorf("there is room for less: %v", err)
	}
}
