package retry_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/local"
	"holdfast/storage/mem"
	"holdfast/storage/retry"
	"holdfast/storage/storagetest"
)

var errLine = errors.New("connection reset")

// quick waits for next to nothing, for tests in real time.
var quick = retry.Policy{FirstDelay: time.Microsecond, MaxDelay: 10 * time.Microsecond, MaxAttempts: 6}

func TestContract(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Store { return retry.New(mem.New(), quick) })
}

// TestContractOnBadLine has every third operation fail in one way or another.
// It leaves out what a lost answer makes undecidable: after a failed Put of a
// key, whether another one stored it; after a failed Delete, who deleted it.
func TestContractOnBadLine(t *testing.T) {
	// Enough attempts for parallel operations to share the faults unfairly.
	patient := retry.Policy{FirstDelay: time.Microsecond, MaxDelay: 10 * time.Microsecond, MaxAttempts: 100}
	storagetest.Run(t, func(*testing.T) storage.Store {
		return retry.New(fault.New(mem.New(), 1,
			fault.Rule{Op: fault.OpPut, Prefix: "data/", Every: 3, Fault: fault.Before(errLine)},
			fault.Rule{Op: fault.OpPut, Prefix: "data/", Skip: 1, Every: 3, Fault: fault.After(errLine)},
			fault.Rule{Op: fault.OpGet, Every: 5, Fault: fault.Before(errLine)},
			fault.Rule{Op: fault.OpGet, Skip: 1, Every: 3, Fault: fault.Cut(errLine)},
			fault.Rule{Op: fault.OpStat, Every: 3, Fault: fault.Before(errLine)},
			fault.Rule{Op: fault.OpList, Every: 3, Fault: fault.Cut(errLine)},
		), patient)
	})
}

func TestDelaysGrowWithJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := fault.New(mem.New(), 1, fault.Rule{Fault: fault.Before(errLine)})
		var delays []time.Duration
		s := retry.New(bad, retry.Policy{
			MaxAttempts: 8, MaxElapsed: time.Hour, FirstDelay: time.Second, MaxDelay: 10 * time.Second,
			Notify: func(op, key string, err error, next time.Duration) {
				if op != "stat" || key != "config" || !errors.Is(err, errLine) {
					t.Errorf("Notify(%q, %q, %v)", op, key, err)
				}
				delays = append(delays, next)
			},
		})
		start := time.Now()
		_, err := s.Stat(t.Context(), "config")
		if !errors.Is(err, errLine) || !strings.Contains(err.Error(), "8 attempts") {
			t.Errorf("Stat = %v, want the cause and the number of attempts", err)
		}
		if bad.Count() != 8 {
			t.Errorf("%d attempts, want 8", bad.Count())
		}
		var sum time.Duration
		for i, d := range delays {
			if bound := min(time.Second<<i, 10*time.Second); d <= 0 || d > bound {
				t.Errorf("delay %d is %v, want at most %v", i+1, d, bound)
			}
			sum += d
		}
		if got := time.Since(start); got != sum {
			t.Errorf("waited %v, announced %v", got, sum)
		}
	})
}

func TestGivesUpAfterMaxElapsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := fault.New(mem.New(), 1, fault.Rule{Fault: fault.Before(errLine)})
		s := retry.New(bad, retry.Policy{MaxAttempts: 1 << 20, MaxElapsed: time.Minute})
		start := time.Now()
		if _, err := s.Stat(t.Context(), "config"); !errors.Is(err, errLine) {
			t.Errorf("Stat = %v", err)
		}
		if got := time.Since(start); got > time.Minute {
			t.Errorf("went on for %v, want at most 1m", got)
		}
	})
}

func TestContextEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := fault.New(mem.New(), 1, fault.Rule{Fault: fault.Before(errLine)})
		s := retry.New(bad, retry.Policy{})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		_, err := s.Stat(ctx, "config")
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errLine) {
			t.Errorf("Stat = %v, want the deadline and the cause", err)
		}
		if got := time.Since(start); got > 10*time.Second {
			t.Errorf("went on for %v", got)
		}
	})
}

func TestPermanentErrorsAreFinal(t *testing.T) {
	for _, permanent := range []error{
		storage.ErrNotFound, storage.ErrExists, storage.ErrReadOnly, storage.ErrFull, storage.ErrConflict,
	} {
		bad := fault.New(mem.New(), 1, fault.Rule{Fault: fault.Before(fmt.Errorf("answer: %w", permanent))})
		if err := retry.New(bad, quick).Put(t.Context(), "a", storage.Bytes(nil), storage.PutOptions{}); !errors.Is(err, permanent) {
			t.Errorf("Put = %v, want %v", err, permanent)
		}
		if bad.Count() != 1 {
			t.Errorf("%v was tried %d times", permanent, bad.Count())
		}
	}
}

// once fails the first operation of a kind.
func once(op fault.Op, f fault.Fault) fault.Rule { return fault.Rule{Op: op, Times: 1, Fault: f} }

func TestPutWithLostAnswer(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	other := bytes.Clone(long)
	other[300_000] ^= 1
	tests := []struct {
		name  string
		there []byte // stored by somebody else before; nil: nothing
		fault fault.Fault
		want  error
	}{
		{"stored, answer lost", nil, fault.After(errLine), nil},
		{"not stored", nil, fault.Before(errLine), nil},
		{"torn object left behind", nil, fault.Cut(errLine), storage.ErrConflict},
		{"equal object of somebody else", long, fault.Before(errLine), nil},
		{"other bytes", other, fault.Before(errLine), storage.ErrConflict},
		{"other length", long[1:], fault.Before(errLine), storage.ErrConflict},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			below := mem.New()
			if test.there != nil {
				below.Overwrite("data/3f/3f9a", test.there)
			}
			s := retry.New(fault.New(below, 1, once(fault.OpPut, test.fault)), quick)
			err := s.Put(t.Context(), "data/3f/3f9a", storage.Bytes(long), storage.PutOptions{})
			if !errors.Is(err, test.want) || (err != nil && test.want == nil) {
				t.Fatalf("Put = %v, want %v", err, test.want)
			}
			if errors.Is(err, storage.ErrExists) {
				t.Errorf("%v passes for ErrExists", err)
			}
		})
	}
}

// shortBody is one byte shorter than it says.
type shortBody struct{ storage.Body }

func (b shortBody) Size() int64 { return b.Body.Size() + 1 }

func TestShortBodyIsNotRetried(t *testing.T) {
	count := fault.New(mem.New(), 1)
	err := retry.New(count, quick).Put(t.Context(), "a", shortBody{storage.Bytes([]byte("x"))}, storage.PutOptions{})
	if !errors.Is(err, io.ErrUnexpectedEOF) || count.Count() != 1 {
		t.Errorf("Put = %v after %d attempts, want io.ErrUnexpectedEOF after one", err, count.Count())
	}
}

func TestPutOnExistingKeyWithoutFailure(t *testing.T) {
	s := retry.New(mem.New(), quick)
	for _, want := range []error{nil, storage.ErrExists} {
		if err := s.Put(t.Context(), "a", storage.Bytes([]byte("x")), storage.PutOptions{}); !errors.Is(err, want) {
			t.Errorf("Put = %v, want %v", err, want)
		}
	}
}

// TestLocalSpoolWithLostAnswer puts a spool again that the first attempt has
// moved away already.
func TestLocalSpoolWithLostAnswer(t *testing.T) {
	folder, err := local.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := retry.New(fault.New(folder, 1, once(fault.OpPut, fault.After(errLine))), quick)
	sp, err := storage.NewSpool(s)
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Discard()
	if _, err := sp.Write([]byte("content")); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "a", sp, storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestDeleteWithLostAnswer(t *testing.T) {
	below := mem.New()
	below.Overwrite("a", nil)
	s := retry.New(fault.New(below, 1, once(fault.OpDelete, fault.After(errLine))), quick)
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Errorf("Delete = %v, want nil", err)
	}
	if err := s.Delete(t.Context(), "a"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("second Delete = %v, want ErrNotFound", err)
	}
}

// TestBrokenStreamIsResumed breaks every stream but the last ones, and checks
// that no byte is asked for twice.
func TestBrokenStreamIsResumed(t *testing.T) {
	data := bytes.Repeat([]byte("abcdefghijklmnopqrstuvw"), 10_000)
	for _, length := range []int64{-1, 200_000} {
		below := mem.New()
		below.Overwrite("a", data)
		bad := fault.New(below, 2, fault.Rule{Op: fault.OpGet, Times: 5, Fault: fault.Cut(errLine)})
		r, err := retry.New(bad, quick).Get(t.Context(), "a", 100, length)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		r.Close()
		want := data[100:]
		if length >= 0 {
			want = want[:length]
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("length %d: %d bytes, err %v, want the %d stored ones", length, len(got), err, len(want))
		}
		if bad.Count() != 6 {
			t.Errorf("length %d: %d operations, want 6 Gets", length, bad.Count())
		}
	}
}

func TestStreamThatEndsEarly(t *testing.T) {
	below := mem.New()
	below.Overwrite("a", make([]byte, 1000))
	// Said to be complete though it is cut: the range asked for tells.
	bad := fault.New(below, 3, once(fault.OpGet, fault.Cut(nil)))
	if err := storage.ReadRange(t.Context(), retry.New(bad, quick), "a", 0, make([]byte, 1000)); err != nil {
		t.Errorf("Get over a stream that just ends: %v", err)
	}

	// A short object is an answer, not a failure that may pass.
	count := fault.New(below, 3)
	_, err := retry.New(count, quick).Get(t.Context(), "a", 500, 501)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Get past the end = %v, want io.ErrUnexpectedEOF", err)
	}
	if count.Count() != 2 {
		t.Errorf("%d operations, want one Get and one Stat", count.Count())
	}
}

func TestStreamFailsForGood(t *testing.T) {
	below := mem.New()
	below.Overwrite("a", make([]byte, 1000))
	bad := fault.New(below, 4, once(fault.OpGet, fault.Cut(errLine)),
		fault.Rule{Op: fault.OpGet, Skip: 1, Fault: fault.Before(errLine)})
	if _, err := storage.ReadAll(t.Context(), retry.New(bad, quick), "a"); !errors.Is(err, errLine) {
		t.Errorf("Get = %v, want the cause", err)
	}
}

func TestListVisitsEachObjectOnce(t *testing.T) {
	below := mem.New()
	var want []string
	for i := range 50 {
		key := fmt.Sprintf("data/%02d", i)
		below.Overwrite(key, nil)
		want = append(want, key)
	}
	s := retry.New(fault.New(below, 5, fault.Rule{Op: fault.OpList, Times: 4, Fault: fault.Cut(errLine)}), quick)
	var got []string
	err := s.List(t.Context(), "data/", func(info storage.Info) error {
		got = append(got, info.Key)
		return nil
	})
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("List over broken listings = %q, %v", got, err)
	}
}

func TestErrorOfVisitIsNotRetried(t *testing.T) {
	below := mem.New()
	below.Overwrite("a", nil)
	count := fault.New(below, 6)
	err := retry.New(count, quick).List(t.Context(), "", func(storage.Info) error { return errLine })
	if err != errLine || count.Count() != 1 {
		t.Errorf("List = %v after %d attempts, want the error of visit after one", err, count.Count())
	}
}

// hashing is a store whose service keeps hashes; this one keeps a chosen one.
type hashing struct {
	*mem.Store
	sum [32]byte
	err error
}

func (h hashing) SHA256(context.Context, string) ([32]byte, error) { return h.sum, h.err }

// TestPutWithLostAnswerAsksForTheHash: where the service keeps hashes, nothing
// is read back.
func TestPutWithLostAnswerAsksForTheHash(t *testing.T) {
	data := []byte("content")
	sum := sha256.Sum256(data)
	tests := []struct {
		name string
		kept [32]byte
		err  error
		want error
	}{
		{"equal", sum, nil, nil},
		{"another hash", [32]byte{1}, nil, storage.ErrConflict},
		{"none kept: read back", [32]byte{}, storage.ErrUnsupported, storage.ErrCold},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			below := hashing{mem.New(), test.kept, test.err}
			bad := fault.New(below, 1, once(fault.OpPut, fault.After(errLine)),
				fault.Rule{Op: fault.OpGet, Fault: fault.Before(storage.ErrCold)}) // nothing can be read
			err := retry.New(bad, quick).Put(t.Context(), "a", storage.Bytes(data), storage.PutOptions{SHA256: &sum})
			if !errors.Is(err, test.want) || (err != nil && test.want == nil) {
				t.Errorf("Put = %v, want %v", err, test.want)
			}
		})
	}
}
