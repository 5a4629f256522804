package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/storage"
	"holdfast/storage/mem"
	"holdfast/storage/storagetest"
	"holdfast/storage/throttle"
)

func TestContract(t *testing.T) {
	tests := map[string]throttle.Limits{
		"no limits": {},
		"limited":   {UploadBytesPerSecond: 10 << 30, DownloadBytesPerSecond: 10 << 30},
	}
	for name, limits := range tests {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, func(*testing.T) storage.Store { return throttle.New(mem.New(), limits) })
		})
	}
}

// wantAbout allows for the first burst, which passes at once.
func wantAbout(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got < want*9/10 || got > want*11/10 {
		t.Errorf("%s took %v, want about %v", what, got, want)
	}
}

func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := throttle.New(mem.New(), throttle.Limits{UploadBytesPerSecond: 1000_000, DownloadBytesPerSecond: 4000_000})
		body := storage.Bytes(make([]byte, 8_000_000))

		start := time.Now()
		if err := s.Put(t.Context(), "a", body, storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		wantAbout(t, "the upload", time.Since(start), 8*time.Second)

		start = time.Now()
		if _, err := storage.ReadAll(t.Context(), s, "a"); err != nil {
			t.Fatal(err)
		}
		wantAbout(t, "the download", time.Since(start), 2*time.Second)
	})
}

// hashing reads each body once before it is stored.
type hashing struct{ *mem.Store }

func (h hashing) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	if _, err := io.Copy(io.Discard, io.NewSectionReader(storage.Unpaced(body), 0, body.Size())); err != nil {
		return err
	}
	return h.Store.Put(ctx, key, body, o)
}

func TestHashingCostsNoBandwidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := throttle.New(hashing{mem.New()}, throttle.Limits{UploadBytesPerSecond: 1000_000})
		start := time.Now()
		if err := s.Put(t.Context(), "a", storage.Bytes(make([]byte, 8_000_000)), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		wantAbout(t, "the upload", time.Since(start), 8*time.Second)
	})
}

func TestOneLimitForAllOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := throttle.New(mem.New(), throttle.Limits{UploadBytesPerSecond: 1000_000})
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				if err := s.Put(t.Context(), fmt.Sprint(i), storage.Bytes(make([]byte, 2_000_000)), storage.PutOptions{}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		wantAbout(t, "four uploads at once", time.Since(start), 8*time.Second)
	})
}

func TestContextEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := throttle.New(mem.New(), throttle.Limits{UploadBytesPerSecond: 1000})
		body := storage.Bytes(make([]byte, 1_000_000)) // 1000 s

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := s.Put(ctx, "a", body, storage.PutOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Put after its deadline = %v", err)
		}

		ctx, cancel = context.WithCancel(t.Context())
		stop := time.AfterFunc(5*time.Second, cancel)
		defer stop.Stop()
		start := time.Now()
		if err := s.Put(ctx, "a", body, storage.PutOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled Put = %v", err)
		}
		if waited := time.Since(start); waited > 5*time.Second {
			t.Errorf("Put went on for %v after it was cancelled", waited-5*time.Second)
		}
	})
}
