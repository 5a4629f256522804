package fault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
	"holdfast/storage/storagetest"
)

var errTest = errors.New("test")

func TestContractWithoutFaults(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Store { return fault.New(mem.New(), 1) })
}

func keys(t *testing.T, s storage.Store) []string {
	t.Helper()
	var keys []string
	err := s.List(t.Context(), "", func(info storage.Info) error {
		keys = append(keys, info.Key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestRulesPickOperations(t *testing.T) {
	tests := []struct {
		name string
		rule fault.Rule
		want []int // which of ten Puts of data/0..9 fail
	}{
		{"all", fault.Rule{}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"another operation", fault.Rule{Op: fault.OpGet}, nil},
		{"another prefix", fault.Rule{Prefix: "index/"}, nil},
		{"one key", fault.Rule{Prefix: "data/4"}, []int{4}},
		{"skip", fault.Rule{Skip: 7}, []int{7, 8, 9}},
		{"every", fault.Rule{Every: 4}, []int{0, 4, 8}},
		{"skip, every, times", fault.Rule{Op: fault.OpPut, Skip: 2, Every: 3, Times: 2}, []int{2, 5}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.rule.Fault = fault.Before(errTest)
			s := fault.New(mem.New(), 1, test.rule)
			var failed []int
			for i := range 10 {
				if s.Put(t.Context(), fmt.Sprintf("data/%d", i), storage.Bytes(nil), storage.PutOptions{}) != nil {
					failed = append(failed, i)
				}
			}
			if !slices.Equal(failed, test.want) {
				t.Errorf("failed: %v, want %v", failed, test.want)
			}
		})
	}
}

func TestPutFaults(t *testing.T) {
	data := bytes.Repeat([]byte("holdfast"), 100)
	tests := []struct {
		name  string
		fault fault.Fault
		err   error
		check func(stored []byte) bool // nil: nothing may be stored
	}{
		{"before", fault.Before(errTest), errTest, nil},
		{"full", fault.Full(), storage.ErrFull, nil},
		{"missing", fault.Missing(), nil, nil},
		{"after", fault.After(errTest), errTest, func(b []byte) bool { return bytes.Equal(b, data) }},
		{"cut", fault.Cut(errTest), errTest, func(b []byte) bool { return len(b) < len(data) && bytes.HasPrefix(data, b) }},
		{"cut in silence", fault.Cut(nil), nil, func(b []byte) bool { return len(b) < len(data) && bytes.HasPrefix(data, b) }},
		{"flip", fault.Flip(), nil, func(b []byte) bool { return differingBits(b, data) == 1 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			below := mem.New()
			s := fault.New(below, 7, fault.Rule{Fault: test.fault})
			if err := s.Put(t.Context(), "a", storage.Bytes(data), storage.PutOptions{}); !errors.Is(err, test.err) {
				t.Errorf("Put = %v, want %v", err, test.err)
			}
			stored, err := storage.ReadAll(t.Context(), below, "a")
			switch {
			case test.check == nil:
				if !errors.Is(err, storage.ErrNotFound) {
					t.Errorf("something is stored: %d bytes, %v", len(stored), err)
				}
			case err != nil:
				t.Error(err)
			case !test.check(stored):
				t.Errorf("unexpected bytes are stored: %q", stored)
			}
		})
	}
}

func differingBits(a, b []byte) int {
	if len(a) != len(b) {
		return -1
	}
	n := 0
	for i := range a {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n
}

func TestGetFaults(t *testing.T) {
	data := bytes.Repeat([]byte("holdfast"), 100)
	below := mem.New()
	below.Overwrite("a", data)
	read := func(f fault.Fault, offset, length int64) ([]byte, error) {
		s := fault.New(below, 11, fault.Rule{Op: fault.OpGet, Fault: f})
		r, err := s.Get(t.Context(), "a", offset, length)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(r)
	}
	for _, length := range []int64{-1, 400} {
		want := data[80:]
		if length >= 0 {
			want = want[:length]
		}
		if b, err := read(fault.Flip(), 80, length); err != nil || differingBits(b, want) != 1 {
			t.Errorf("flip: %d bits differ, err %v", differingBits(b, want), err)
		}
		if b, err := read(fault.Cut(errTest), 80, length); err != errTest || !bytes.HasPrefix(want, b) || len(b) == len(want) {
			t.Errorf("cut: %d bytes, err %v", len(b), err)
		}
		if b, err := read(fault.Cut(nil), 80, length); err != nil || !bytes.HasPrefix(want, b) || len(b) == len(want) {
			t.Errorf("cut in silence: %d bytes, err %v", len(b), err)
		}
		if _, err := read(fault.After(errTest), 80, length); err != errTest {
			t.Errorf("after: %v", err)
		}
	}
	if b, err := read(fault.Flip(), 800, -1); err != nil || len(b) != 0 {
		t.Errorf("flip of nothing: %q, %v", b, err)
	}
}

func TestDeleteFaults(t *testing.T) {
	for _, test := range []struct {
		fault fault.Fault
		err   error
		left  int
	}{
		{fault.Before(errTest), errTest, 1},
		{fault.After(errTest), errTest, 0},
		{fault.Missing(), nil, 1},
	} {
		below := mem.New()
		below.Overwrite("a", nil)
		s := fault.New(below, 1, fault.Rule{Op: fault.OpDelete, Fault: test.fault})
		if err := s.Delete(t.Context(), "a"); !errors.Is(err, test.err) {
			t.Errorf("Delete = %v, want %v", err, test.err)
		}
		if n := len(keys(t, below)); n != test.left {
			t.Errorf("%d objects are left, want %d", n, test.left)
		}
	}
}

func TestDelaysAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fault.New(mem.New(), 1,
			fault.Rule{Fault: fault.Delay(2 * time.Second)},
			fault.Rule{Fault: fault.Delay(3 * time.Second)},
			fault.Rule{Op: fault.OpStat, Fault: fault.Before(errTest)})
		start := time.Now()
		if _, err := s.Stat(t.Context(), "a"); err != errTest {
			t.Errorf("Stat = %v", err)
		}
		if got := time.Since(start); got != 5*time.Second {
			t.Errorf("Stat took %v, want 5s", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Put(ctx, "a", storage.Bytes(nil), storage.PutOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Put = %v, want its deadline", err)
		}
	})
}

func TestSameSeedSameFaults(t *testing.T) {
	data := bytes.Repeat([]byte("holdfast"), 1000)
	stored := func(seed uint64) []byte {
		below := mem.New()
		s := fault.New(below, seed, fault.Rule{Fault: fault.Cut(nil)})
		if err := s.Put(t.Context(), "a", storage.Bytes(data), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		b, _ := storage.ReadAll(t.Context(), below, "a")
		return b
	}
	if !bytes.Equal(stored(1), stored(1)) {
		t.Error("the same seed tears at different places")
	}
	if bytes.Equal(stored(1), stored(2)) {
		t.Error("different seeds tear at the same place")
	}
}

func TestListsLag(t *testing.T) {
	ctx := t.Context()
	below := mem.New()
	below.Overwrite("data/old", nil)
	s := fault.New(below, 1)
	s.LagLists(2)
	if err := s.Put(ctx, "data/new", storage.Bytes(nil), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, "data/old"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(ctx, "data/new"); err != nil {
		t.Errorf("Stat lags: %v", err)
	}
	if err := s.List(ctx, "index/", func(storage.Info) error { return nil }); err != nil {
		t.Fatal(err) // covers neither key, so it does not count
	}
	for i, want := range []string{"data/old", "data/old", "data/new"} {
		if got := keys(t, s); !slices.Equal(got, []string{want}) {
			t.Errorf("listing %d = %q, want %q", i+1, got, want)
		}
	}
}

func TestCrash(t *testing.T) {
	ctx := t.Context()
	tests := []struct {
		mode fault.Crash
		op3  error // what the third operation, a Put, returns
		left []string
	}{
		{fault.CrashBefore, fault.ErrCrashed, []string{"1", "2"}},
		{fault.CrashAfter, fault.ErrCrashed, []string{"1", "2", "3"}},
		{fault.CrashTorn, fault.ErrCrashed, []string{"1", "2", "3"}},
		{fault.CrashMissing, nil, []string{"1", "2"}},
	}
	for _, test := range tests {
		t.Run(test.mode.String(), func(t *testing.T) {
			below := mem.New()
			s := fault.New(below, 1)
			s.CrashAt(3, test.mode)
			var errs []error
			for _, key := range []string{"1", "2", "3", "4", "5"} {
				errs = append(errs, s.Put(ctx, key, storage.Bytes([]byte("content")), storage.PutOptions{}))
			}
			want := []error{nil, nil, test.op3, fault.ErrCrashed, fault.ErrCrashed}
			if !slices.Equal(errs, want) {
				t.Errorf("answers %v, want %v", errs, want)
			}
			if got := keys(t, below); !slices.Equal(got, test.left) {
				t.Errorf("left behind: %q, want %q", got, test.left)
			}
			if _, err := storage.NewSpool(s); !errors.Is(err, fault.ErrCrashed) {
				t.Errorf("NewSpool after the crash = %v", err)
			}
		})
	}
}

func TestOpenReaderDiesInCrash(t *testing.T) {
	below := mem.New()
	below.Overwrite("a", make([]byte, 100))
	s := fault.New(below, 1)
	s.CrashAt(2, fault.CrashBefore)
	r, err := s.Get(t.Context(), "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s.Stat(t.Context(), "a") // the crash
	if _, err := r.Read(make([]byte, 1)); err != fault.ErrCrashed {
		t.Errorf("Read after the crash = %v", err)
	}
}

func TestCallsAreLogged(t *testing.T) {
	s := fault.New(mem.New(), 1, fault.Rule{Op: fault.OpGet, Fault: fault.Before(errTest)})
	s.Put(t.Context(), "a", storage.Bytes(nil), storage.PutOptions{})
	s.Get(t.Context(), "a", 0, -1)
	keys(t, s)
	want := []fault.Call{
		{N: 1, Op: fault.OpPut, Key: "a"},
		{N: 2, Op: fault.OpGet, Key: "a", Err: errTest},
		{N: 3, Op: fault.OpList},
	}
	if got := s.Calls(); !slices.Equal(got, want) {
		t.Errorf("Calls() = %+v, want %+v", got, want)
	}
}

// TestReplay moves an object by putting the new one before deleting the old
// one, and checks that a whole object is there whenever the process dies.
func TestReplay(t *testing.T) {
	base := mem.New()
	base.Overwrite("old", []byte("content"))
	runs := 0
	fault.Replay{
		Fresh: func() storage.Store { return base.Clone() },
		Job: func(ctx context.Context, s storage.Store) error {
			b, err := storage.ReadAll(ctx, s, "old")
			if err != nil {
				return err
			}
			if err := s.Put(ctx, "new", storage.Bytes(b), storage.PutOptions{}); err != nil {
				return err
			}
			return s.Delete(ctx, "old")
		},
		Check: func(t *testing.T, left storage.Store) {
			runs++
			oldBytes, _ := storage.ReadAll(t.Context(), left, "old")
			newBytes, _ := storage.ReadAll(t.Context(), left, "new")
			if string(oldBytes) != "content" && string(newBytes) != "content" {
				t.Errorf("lost: old is %q, new is %q", oldBytes, newBytes)
			}
		},
	}.Run(t)
	// No crash; before Get, Put, Delete; after Put, Delete; torn Put.
	if runs != 7 {
		t.Errorf("%d runs, want 7", runs)
	}
}
