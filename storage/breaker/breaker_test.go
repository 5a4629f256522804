package breaker_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/storage"
	"holdfast/storage/breaker"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
	"holdfast/storage/storagetest"
)

var errLine = errors.New("no route to host")

func TestContract(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Store { return breaker.New(mem.New(), time.Minute, time.Minute) })
}

func TestAsksNoMoreWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below := fault.New(mem.New(), 1, fault.Rule{Op: fault.OpGet, Times: 1, Fault: fault.Before(errLine)})
		s := breaker.New(below, time.Minute, 0)
		if err := s.Put(t.Context(), "a", storage.Bytes([]byte("x")), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := storage.ReadAll(t.Context(), s, "a"); !errors.Is(err, errLine) || errors.Is(err, breaker.ErrDown) {
			t.Errorf("the first failure: %v", err)
		}
		asked := below.Count()
		if _, err := s.Stat(t.Context(), "a"); !errors.Is(err, breaker.ErrDown) || !errors.Is(err, errLine) {
			t.Errorf("while it is down: %v", err)
		}
		if err := s.List(t.Context(), "", func(storage.Info) error { return nil }); !errors.Is(err, breaker.ErrDown) {
			t.Errorf("while it is down: %v", err)
		}
		if below.Count() != asked {
			t.Error("it was asked all the same")
		}
		if err := s.Put(t.Context(), "b", storage.Bytes(nil), storage.PutOptions{}); err != nil {
			t.Errorf("a write: %v", err)
		}
		time.Sleep(time.Minute)
		if _, err := storage.ReadAll(t.Context(), s, "a"); err != nil {
			t.Errorf("a minute later: %v", err)
		}
	})
}

func TestAnswersAreNoFailures(t *testing.T) {
	s := breaker.New(mem.New(), time.Minute, 0)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = s.Stat(t.Context(), "nothing")
	_, _ = s.Stat(ended, "nothing")
	_ = s.Put(t.Context(), "a", storage.Bytes([]byte("x")), storage.PutOptions{})
	_ = s.List(t.Context(), "", func(storage.Info) error { return errLine })
	if _, err := storage.ReadAll(t.Context(), s, "a"); err != nil {
		t.Error(err)
	}
}

func TestAStreamThatBreaksCounts(t *testing.T) {
	below := fault.New(mem.New(), 1, fault.Rule{Op: fault.OpGet, Times: 1, Fault: fault.Cut(errLine)})
	s := breaker.New(below, time.Minute, 0)
	if err := s.Put(t.Context(), "a", storage.Bytes(make([]byte, 1000)), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := storage.ReadAll(t.Context(), s, "a"); !errors.Is(err, errLine) {
		t.Fatal(err)
	}
	if _, err := s.Stat(t.Context(), "a"); !errors.Is(err, breaker.ErrDown) {
		t.Error(err)
	}
}

// hanging is a store that takes requests for an object and never answers, or
// stops in the middle of it.
type hanging struct {
	storage.Store
	midst bool
}

func (h hanging) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if h.midst {
		return &stuck{ctx}, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (h hanging) Stat(ctx context.Context, _ string) (storage.Info, error) {
	<-ctx.Done()
	return storage.Info{}, ctx.Err()
}

func (h hanging) List(ctx context.Context, _ string, _ func(storage.Info) error) error {
	<-ctx.Done()
	return ctx.Err()
}

type stuck struct{ ctx context.Context }

func (s *stuck) Read([]byte) (int, error) { <-s.ctx.Done(); return 0, s.ctx.Err() }
func (s *stuck) Close() error             { return nil }

// A store that takes requests and says nothing is down like any other, and no
// end of the context, after which nobody would look elsewhere.
func TestSilenceCounts(t *testing.T) {
	for name, read := range map[string]func(context.Context, storage.Store) error{
		"get": func(ctx context.Context, s storage.Store) error { _, err := storage.ReadAll(ctx, s, "a"); return err },
		"list": func(ctx context.Context, s storage.Store) error {
			return s.List(ctx, "keys/", func(storage.Info) error { return nil })
		},
		"stat":   func(ctx context.Context, s storage.Store) error { _, err := s.Stat(ctx, "a"); return err },
		"stream": func(ctx context.Context, s storage.Store) error { _, err := storage.ReadAll(ctx, s, "a"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, began := breaker.New(hanging{mem.New(), name == "stream"}, time.Hour, 30*time.Second), time.Now()
				err := read(t.Context(), s)
				if err == nil || storage.IsPermanent(err) || !strings.Contains(err.Error(), "no answer for 30s") {
					t.Errorf("%v", err)
				}
				if took := time.Since(began); took != 30*time.Second {
					t.Errorf("it took %v", took)
				}
				if err := read(t.Context(), s); !errors.Is(err, breaker.ErrDown) {
					t.Errorf("it is asked again at once: %v", err)
				}
			})
		})
	}
}

// A list of many objects may take its time.
func TestLongLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		s := breaker.New(hanging{mem.New(), false}, time.Hour, 30*time.Second)
		if err := s.List(ctx, "data/", func(storage.Info) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// Somebody who reads slowly is not a silent store.
func TestSlowReadersAreNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := breaker.New(mem.New(), time.Minute, 30*time.Second)
		if err := s.Put(t.Context(), "a", storage.Bytes([]byte("ab")), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		stream, err := s.Get(t.Context(), "a", 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			time.Sleep(time.Hour)
			if n, err := stream.Read(make([]byte, 1)); n != 1 {
				t.Fatal(n, err)
			}
		}
		if err := stream.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What is down each time that it is asked again is asked less and less.
func TestPausesGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below := fault.New(mem.New(), 1, fault.Rule{Op: fault.OpStat, Fault: fault.Before(errLine)})
		s, began := breaker.New(below, time.Minute, 0), time.Now()
		for time.Since(began) < 63*time.Minute {
			s.Stat(t.Context(), "a") //nolint:errcheck // it is down
			time.Sleep(time.Second)
		}
		if n := below.Count(); n < 5 || n > 8 { // after 0, 1, 3, 7, 15, 31, 47, 63 minutes
			t.Errorf("it was asked %d times in an hour", n)
		}
	})
}
