package annex_test

import (
	"errors"
	"testing"

	"holdfast/storage"
	"holdfast/storage/annex"
	"holdfast/storage/mem"
	"holdfast/storage/storagetest"
)

func TestContract(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Store { return annex.New(bare{mem.New()}, mem.New()) })
}

// bare is a store without powers: spools are not handed from one to the other.
type bare struct{ storage.Store }

func TestOwnKeysLieInTheAnnex(t *testing.T) {
	rest, other := mem.New(), mem.New()
	s := annex.New(rest, other)
	for _, key := range []string{"config", "holdfast/log/1", "snapshots/1"} {
		if err := s.Put(t.Context(), key, storage.Bytes([]byte(key)), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := rest.Stat(t.Context(), "holdfast/log/1"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("what is holdfast's own lies beside the rest: %v", err)
	}
	if _, err := other.Stat(t.Context(), "holdfast/log/1"); err != nil {
		t.Error(err)
	}
	n := 0
	if err := other.List(t.Context(), "", func(storage.Info) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("%d objects in the annex, %v", n, err)
	}
}
