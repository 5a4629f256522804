package breaker_test

import (
	"context"
	"errors"
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
	storagetest.Run(t, func(*testing.T) storage.Store { return breaker.New(mem.New(), time.Minute) })
}

func TestAsksNoMoreWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below := fault.New(mem.New(), 1, fault.Rule{Op: fault.OpGet, Times: 1, Fault: fault.Before(errLine)})
		s := breaker.New(below, time.Minute)
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
	s := breaker.New(mem.New(), time.Minute)
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
	s := breaker.New(below, time.Minute)
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
