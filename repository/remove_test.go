package repository

import (
	"context"
	"errors"
	"slices"
	"testing"

	"holdfast/repository/id"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// batching is a store that deletes batches, and leaves out what it is told to.
type batching struct {
	*mem.Store
	batches [][]string
	leaves  string // this key
	err     error
}

func (b *batching) DeleteBatch(ctx context.Context, keys []string) (gone []string, err error) {
	b.batches = append(b.batches, keys)
	if b.err != nil {
		return nil, b.err
	}
	for _, key := range keys {
		if key != b.leaves {
			err = errors.Join(err, b.Delete(ctx, key))
			gone = append(gone, key)
		}
	}
	return gone, err
}

// filled returns a repository with some packs in a store that deletes batches.
func filled(t *testing.T) (*Repository, *batching, []id.ID) {
	t.Helper()
	s := &batching{Store: mem.New()}
	r := initRepository(t, s, Options{})
	var packs []id.ID
	for range 5 {
		packs = append(packs, id.Random())
		s.Overwrite(PackFile.Key(packs[len(packs)-1]), []byte("x"))
	}
	return r, s, packs
}

func TestRemoveFilesInOneBatch(t *testing.T) {
	r, s, packs := filled(t)
	if err := r.RemoveFiles(t.Context(), PackFile, packs[:4], nil); err != nil {
		t.Fatal(err)
	}
	left := filesOf(t, s, PackFile)
	if _, ok := left[packs[4]]; len(left) != 1 || !ok || len(s.batches) != 1 {
		t.Errorf("left are %v, after %d batches", left, len(s.batches))
	}
}

// What a batch leaves out, or a store that turns out to know no batches, is
// deleted one by one.
func TestRemoveFilesThatABatchLeaves(t *testing.T) {
	for name, change := range map[string]func(*batching, []id.ID){
		"one is left out": func(s *batching, packs []id.ID) { s.leaves = PackFile.Key(packs[2]) },
		"no batches":      func(s *batching, _ []id.ID) { s.err = storage.ErrUnsupported },
	} {
		r, s, packs := filled(t)
		change(s, packs)
		if err := r.RemoveFiles(t.Context(), PackFile, packs, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if left := filesOf(t, s, PackFile); len(left) > 0 {
			t.Errorf("%s: %d packs are left", name, len(left))
		}
	}
}

// Where nothing is known of a batch, no file counts as deleted.
func TestRemoveFilesWithoutAnAnswer(t *testing.T) {
	r, s, packs := filled(t)
	s.err = errors.New("connection lost")
	if err := r.RemoveFiles(t.Context(), PackFile, packs, nil); !errors.Is(err, s.err) {
		t.Errorf("got %v", err)
	}
	if left := filesOf(t, s, PackFile); len(left) != len(packs) {
		t.Errorf("%d packs are left", len(left))
	}
}

// A lock in doubt holds back batches, too; one that is lost ends them.
func TestFreezeHoldsBackBatches(t *testing.T) {
	r, s, packs := filled(t)
	thaw := r.store.freeze()
	ctx, lose := context.WithCancelCause(t.Context())
	lose(ErrLockLost)
	if err := r.RemoveFiles(ctx, PackFile, packs, nil); !errors.Is(err, ErrLockLost) || len(s.batches) > 0 {
		t.Errorf("got %v, and %d batches", err, len(s.batches))
	}
	done := make(chan error, 1)
	go func() { done <- r.RemoveFiles(t.Context(), PackFile, packs, nil) }()
	if n := len(filesOf(t, s, PackFile)); n != len(packs) {
		t.Errorf("%d packs are left while frozen", n)
	}
	thaw()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A store that misbehaves does so in the middle of a batch.
func TestFaultsStrikeInsideOfBatches(t *testing.T) {
	_, s, packs := filled(t)
	f := fault.New(s, 1, fault.Rule{Op: fault.OpDelete, Skip: 2, Times: 1, Fault: fault.Before(errors.New("no"))})
	batches, _ := storage.As[storage.BatchDeleter](f)
	var keys []string
	for _, i := range packs {
		keys = append(keys, PackFile.Key(i))
	}
	gone, err := batches.DeleteBatch(t.Context(), keys)
	if want := slices.Delete(slices.Clone(keys), 2, 3); err != nil || !slices.Equal(gone, want) {
		t.Errorf("gone are %q, %v", gone, err)
	}
}
