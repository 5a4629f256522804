package s3_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"holdfast/storage"
	"holdfast/storage/retry"
	"holdfast/storage/s3"
)

// More than one request's worth of objects go, and only those.
func TestDeleteBatch(t *testing.T) {
	s := open(t, place(t))
	var batch []string
	for n := range 1010 {
		batch = append(batch, fmt.Sprintf("data/%04d", n))
	}
	for _, key := range []string{batch[0], batch[999], batch[1000], batch[1009], "data/stays", "index/0001"} {
		put(t, s, key, "x")
	}
	gone, err := s.DeleteBatch(t.Context(), batch) // most of them are not there
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(gone)
	if !slices.Equal(gone, batch) {
		t.Errorf("%d of %d objects are gone", len(gone), len(batch))
	}
	if left := keys(t, s, ""); !slices.Equal(left, []string{"data/stays", "index/0001"}) {
		t.Errorf("left are %q", left)
	}
}

func TestDeleteBatchThatFails(t *testing.T) {
	o := place(t)
	o.Bucket += "-none"
	s, err := s3.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	gone, err := s.DeleteBatch(t.Context(), []string{"data/1", "data/2"})
	if !errors.Is(err, storage.ErrSetup) || len(gone) > 0 {
		t.Errorf("no such bucket: %q, %v", gone, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if gone, err := open(t, place(t)).DeleteBatch(ctx, []string{"data/1"}); !errors.Is(err, context.Canceled) || len(gone) > 0 {
		t.Errorf("canceled: %q, %v", gone, err)
	}
}

// The power is found through wrappers.
func TestDeleteBatchThroughRetry(t *testing.T) {
	s := open(t, place(t))
	put(t, s, "data/1", "x")
	batches, ok := storage.As[storage.BatchDeleter](retry.New(s, retry.Policy{}))
	if !ok {
		t.Fatal("the power is not found")
	}
	if gone, err := batches.DeleteBatch(t.Context(), []string{"data/1"}); err != nil || len(gone) != 1 {
		t.Errorf("%q, %v", gone, err)
	}
}
