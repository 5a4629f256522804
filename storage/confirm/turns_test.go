package confirm_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/storage"
	"holdfast/storage/confirm"
	"holdfast/storage/mem"
)

// slow is a store in which sending and reading take a second each, that counts
// what is under way.
type slow struct {
	storage.Store

	mu               sync.Mutex
	sending, reading int
	most             int // sent at once
	both             int // times that something was read while another was sent
}

func (s *slow) count(sent, read int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending, s.reading = s.sending+sent, s.reading+read
	s.most = max(s.most, s.sending)
	if sent < 0 && s.reading > 0 {
		s.both++
	}
}

func (s *slow) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	s.count(1, 0)
	defer s.count(-1, 0)
	time.Sleep(time.Second)
	return s.Store.Put(ctx, key, body, o)
}

func (s *slow) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	s.count(0, 1)
	defer s.count(0, -1)
	time.Sleep(time.Second)
	return s.Store.Get(ctx, key, offset, length)
}

// putMany puts objects with so many at once as the store says, and returns how
// long that took on the clock of the bubble.
func putMany(t *testing.T, s *confirm.Store, objects int) time.Duration {
	t.Helper()
	start := time.Now()
	keys := make(chan string)
	done := make(chan error)
	for range s.PutsAtOnce() {
		go func() {
			var failed error
			for key := range keys {
				if err := put(s, key, key); err != nil {
					failed = err
				}
			}
			done <- failed
		}()
	}
	for n := range objects {
		keys <- fmt.Sprintf("data/aa/%04x", n)
	}
	close(keys)
	for range s.PutsAtOnce() {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(start)
}

// Puts that begin together would send together, and read back together: one
// direction of a line would always be idle.
func TestSendingAndReadingBackGoOnSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below := &slow{Store: mem.New()}
		s := confirm.New(below, confirm.ReadBack)
		const objects = 60
		took := putMany(t, s, objects)
		most := below.most
		if most >= s.PutsAtOnce() {
			t.Errorf("%d of %d were sent at once: none was left to be read back meanwhile", most, s.PutsAtOnce())
		}
		if n := below.both; n < objects*3/4 {
			t.Errorf("of %d objects, %d were sent while another was read back", objects, n)
		}
		// Each turn takes a second, and the last one is read back after it.
		if want := time.Duration(objects/most+1) * time.Second; took > want {
			t.Errorf("it took %v, want %v", took, want)
		}
		if got := s.Receipt().ReadBack.Count; got != objects {
			t.Errorf("%d were read back", got)
		}
	})
}

// Nobody takes turns where the service vouches for what it has: all are sent at
// once.
func TestNoTurnsWhereNothingIsReadBack(t *testing.T) {
	for name, how := range map[string]confirm.How{"the service vouches": confirm.Cheapest, "nothing is to be read": confirm.Told} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				below := &slow{Store: mem.New()}
				s := confirm.New(vouching{below}, how)
				putMany(t, s, 3*s.PutsAtOnce())
				if most := below.most; most != s.PutsAtOnce() {
					t.Errorf("%d were sent at once, want %d", most, s.PutsAtOnce())
				}
			})
		})
	}
}

// Who waits for a turn stops waiting when nobody wants the result any more.
func TestWaitingForATurnEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below := &slow{Store: mem.New()}
		s := confirm.New(below, confirm.ReadBack)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		ended := make(chan time.Duration)
		for n := range s.PutsAtOnce() {
			go func() {
				start := time.Now()
				_ = s.Put(ctx, fmt.Sprintf("data/aa/%04x", n), storage.Bytes([]byte("x")), storage.PutOptions{})
				ended <- time.Since(start)
			}()
		}
		early := 0
		for range s.PutsAtOnce() {
			if <-ended == time.Second/2 {
				early++
			}
		}
		if most := below.most; early != s.PutsAtOnce()-most {
			t.Errorf("%d waited no longer than their context, want %d", early, s.PutsAtOnce()-most)
		}
		if err := put(s, "data/aa/later", "x"); err != nil {
			t.Errorf("Put afterwards = %v: a turn was lost", err)
		}
	})
}
