package storage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
	"holdfast/storage/retry"
	"holdfast/storage/storagetest"
	"holdfast/storage/throttle"
)

func TestIsPermanent(t *testing.T) {
	for err, want := range map[error]bool{
		storage.ErrNotFound:      true,
		storage.ErrFull:          true,
		storage.ErrConflict:      true,
		fs.ErrPermission:         true,
		context.Canceled:         true,
		io.ErrUnexpectedEOF:      false,
		errors.New("line noise"): false,
	} {
		if got := storage.IsPermanent(fmt.Errorf("put x: %w", err)); got != want {
			t.Errorf("IsPermanent(%v) = %v, want %v", err, got, want)
		}
	}
}

func TestAsFindsThroughWrappers(t *testing.T) {
	below := mem.New()
	s := retry.New(throttle.New(fault.New(below, 1), throttle.Limits{}), retry.Policy{})
	if got, ok := storage.As[*mem.Store](s); !ok || got != below {
		t.Errorf("As[*mem.Store] = %v, %v", got, ok)
	}
	if _, ok := storage.As[*fault.Store](s); !ok {
		t.Error("As does not find a wrapper in the middle")
	}
	if _, ok := storage.As[storage.Cleaner](s); ok {
		t.Error("As finds a Cleaner where there is none")
	}
}

// plain hides the powers of a store, so that spools go to the temporary folder.
type plain struct{ storage.Store }

// TestContractOfWrapperChain also is the test of spools in the temporary
// folder and of wrappers upon wrappers.
func TestContractOfWrapperChain(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Store {
		return retry.New(throttle.New(plain{mem.New()}, throttle.Limits{
			UploadBytesPerSecond: 10 << 30, DownloadBytesPerSecond: 10 << 30,
		}), retry.Policy{MaxAttempts: 2, FirstDelay: 1, MaxDelay: 1})
	})
}
