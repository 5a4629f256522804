package sftp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/retry"
	"holdfast/storage/sftp"
	"holdfast/test/wan"

	"golang.org/x/crypto/ssh/knownhosts"
)

// over puts a line before the server.
func over(t testing.TB, o sftp.Options, line wan.Options) (sftp.Options, *wan.Link) {
	t.Helper()
	link, err := wan.NewLink(address(t), line)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { link.Close() })
	host, port, err := net.SplitHostPort(link.Address())
	if err != nil {
		t.Fatal(err)
	}
	o.Host = host
	o.Port, err = strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	o.KnownHostsFile = write(t, knownhosts.Line([]string{link.Address()}, hostKey(t))+"\n")
	return o, link
}

func randomBytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	rand.NewChaCha8(key).Read(b)
	return b
}

func inParallel(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := do(i); err != nil {
				t.Errorf("task %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

// The line fails again and again. Retrying finishes everything, no object is
// torn, and no list is short without saying so.
func TestLineThatFails(t *testing.T) {
	o := options(t)
	away, link := over(t, o, wan.Options{RoundTrip: 2 * time.Millisecond, BitsPerSecond: 200e6})
	raw := open(t, away)
	s := retry.New(raw, retry.Policy{FirstDelay: time.Millisecond, MaxDelay: 20 * time.Millisecond, MaxAttempts: 1000})

	stop := make(chan struct{})
	var dropping sync.WaitGroup
	dropping.Go(func() {
		// A machine that is so busy that a handshake takes longer than the
		// line holds gets more time with every failure.
		for holds := 300 * time.Millisecond; ; holds += 10 * time.Millisecond {
			select {
			case <-stop:
				return
			case <-time.After(holds):
				link.Drop()
			}
		}
	})
	holdsFromNow := sync.OnceFunc(func() {
		close(stop)
		dropping.Wait()
	})
	defer holdsFromNow()
	const n = 16
	key := func(i int) string { return fmt.Sprintf("data/%02x/%04x", i, i) }
	near := open(t, o)
	for i := range n { // so that the list needs many round trips
		put(t, near, key(i+100), "there before")
	}
	inParallel(t, n, func(i int) error {
		data := randomBytes(uint64(i), 300_000)
		if err := s.Put(t.Context(), key(i), storage.Bytes(data), storage.PutOptions{}); err != nil {
			return err
		}
		got, err := storage.ReadAll(t.Context(), s, key(i))
		if err == nil && !bytes.Equal(got, data) {
			return errors.New("read back other bytes")
		}
		return err
	})
	if t.Failed() {
		return // lists would be short for that
	}
	failures := 0
	for range 30 {
		seen := 0
		err := raw.List(t.Context(), "data/", func(storage.Info) error { seen++; return nil })
		if err != nil {
			failures++
		} else if seen != 2*n {
			t.Fatalf("a list without an error has %d of %d objects", seen, 2*n)
		}
	}
	holdsFromNow()
	t.Logf("%d of 30 lists failed", failures)
	if got := list(t, s); len(got) != 2*n {
		t.Errorf("%d objects are there, want %d", len(got), 2*n)
	}
}

// A context that ends does not wait for a server that is silent.
func TestSilentServer(t *testing.T) {
	o := options(t)
	away, _ := over(t, o, wan.Options{RoundTrip: time.Second})
	s := open(t, away)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Get(ctx, "config", 0, -1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Get = %v, want DeadlineExceeded", err)
	}
}

// longLine is how far most second sites are.
var longLine = wan.Options{RoundTrip: 50 * time.Millisecond, BitsPerSecond: 200e6}

// TestLongLine keeps the line busy with packs, both ways.
func TestLongLine(t *testing.T) {
	const (
		packs, packBytes = 24, 8 << 20
		workers          = 8
		// A quiet machine reaches 0.9; the rest is for busy ones.
		wantShare = 0.6
	)
	away, link := over(t, options(t), longLine)
	s := open(t, away)
	data := randomBytes(1, packBytes)
	key := func(i int) string { return fmt.Sprintf("data/%02x/%04x", i, i) }
	perWorker := func(do func(i int) error) func(int) error {
		return func(w int) error {
			for i := w; i < packs; i += workers {
				if err := do(i); err != nil {
					return err
				}
			}
			return nil
		}
	}
	measure := func(name string, usage func() wan.Usage, do func(i int) error) {
		start, before := time.Now(), usage()
		inParallel(t, workers, perWorker(do))
		took := time.Since(start)
		share := usage().Since(before).Share(took)
		t.Logf("%s: %v, line busy for %.0f %%", name, took.Round(time.Millisecond), 100*share)
		if share < wantShare {
			t.Errorf("%s keeps the line busy for %.0f %% of the time, want %.0f %%", name, 100*share, 100*wantShare)
		}
	}
	measure("put", link.Up, func(i int) error {
		return s.Put(t.Context(), key(i), storage.Bytes(data), storage.PutOptions{})
	})
	measure("get", link.Down, func(i int) error {
		r, err := s.Get(t.Context(), key(i), 0, packBytes)
		if err != nil {
			return err
		}
		defer r.Close()
		n, err := io.Copy(io.Discard, r)
		if err == nil && n != packBytes {
			err = io.ErrUnexpectedEOF
		}
		return err
	})
}

// TestListOverLongLine lists the 256 folders of a repository.
func TestListOverLongLine(t *testing.T) {
	o := options(t)
	near := open(t, o)
	inParallel(t, 8, func(w int) error {
		for i := w; i < 256; i += 8 {
			if err := near.Put(t.Context(), fmt.Sprintf("data/%02x/%04x", i, i), storage.Bytes(nil), storage.PutOptions{}); err != nil {
				return err
			}
		}
		return nil
	})
	away, _ := over(t, o, longLine)
	s := open(t, away)
	start := time.Now()
	if got := len(list(t, s)); got != 256 {
		t.Errorf("%d objects are listed", got)
	}
	took := time.Since(start)
	t.Logf("list of 256 folders: %v", took.Round(time.Millisecond))
	if took > 6*time.Second { // one after the other they take a minute
		t.Errorf("a list took %v", took)
	}
}
