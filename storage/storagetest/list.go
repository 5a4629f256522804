package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"holdfast/storage"
)

func testListPrefixes(t *testing.T, s storage.Store) {
	if got := list(t, s, ""); len(got) != 0 {
		t.Fatalf("List of an empty store = %q", got)
	}
	keys := []string{
		"config", "data/00/0001", "data/00/0002", "data/ff/ff01", "dataset/1",
		"index/a", "snapshots/b", "x/y/z/w",
	}
	for i, key := range keys {
		put(t, s, key, make([]byte, i))
	}
	tests := []struct {
		prefix string
		want   []string
	}{
		{"", keys},
		{"data/", []string{"data/00/0001", "data/00/0002", "data/ff/ff01"}},
		{"data/00/", []string{"data/00/0001", "data/00/0002"}},
		{"data/11/", []string{}},
		{"index/", []string{"index/a"}},
		{"x/y/", []string{"x/y/z/w"}},
		{"config/", []string{}}, // below an object is nothing
		{"nothing/", []string{}},
		{"nothing/at/all/", []string{}},
	}
	for _, test := range tests {
		if got := list(t, s, test.prefix); !slices.Equal(got, test.want) {
			t.Errorf("List(%q) = %q, want %q", test.prefix, got, test.want)
		}
	}
	wantSizes(t, s, keys)
}

// wantSizes checks that the i-th key is listed with i bytes.
func wantSizes(t *testing.T, s storage.Store, keys []string) {
	t.Helper()
	err := s.List(t.Context(), "", func(info storage.Info) error {
		if want := int64(slices.Index(keys, info.Key)); info.SizeBytes != want {
			t.Errorf("List gives %q %d bytes, want %d", info.Key, info.SizeBytes, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// testListMany has more objects than services give on one page (1000).
func testListMany(t *testing.T, s storage.Store) {
	const n = 1100
	want := make([]string, n)
	for i := range want {
		want[i] = fmt.Sprintf("index/%04d", i)
	}
	inParallel(t, n, func(i int) error {
		return s.Put(t.Context(), want[i], storage.Bytes([]byte("x")), storage.PutOptions{})
	})
	if got := list(t, s, "index/"); !slices.Equal(got, want) {
		t.Errorf("List sees %d objects, want %d", len(got), len(want))
	}
}

func testListVisitError(t *testing.T, s storage.Store) {
	putSeveral(t, s, 5)
	stop := errors.New("seen enough")
	visits := 0
	err := s.List(t.Context(), "", func(storage.Info) error {
		if visits++; visits == 3 {
			return stop
		}
		return nil
	})
	if err != stop {
		t.Errorf("List = %v, want the error of visit as it is", err)
	}
	if visits != 3 {
		t.Errorf("visit was called %d times, want 3", visits)
	}
}

func testListCancelled(t *testing.T, s storage.Store) {
	putSeveral(t, s, 5)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	visits := 0
	err := s.List(ctx, "", func(storage.Info) error {
		visits++
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("List whose context ended = %v, want context.Canceled", err)
	}
	if visits != 1 {
		t.Errorf("visit was called %d times after the context had ended", visits-1)
	}
}

func testListReentrant(t *testing.T, s storage.Store) {
	putSeveral(t, s, 5)
	err := s.List(t.Context(), "data/", func(info storage.Info) error {
		if _, err := storage.ReadAll(t.Context(), s, info.Key); err != nil {
			return err
		}
		if err := s.Put(t.Context(), "other/"+info.Key, storage.Bytes(nil), storage.PutOptions{}); err != nil {
			return err
		}
		return s.Delete(t.Context(), info.Key)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := list(t, s, "data/"); len(got) != 0 {
		t.Errorf("objects are left after visit deleted each one: %q", got)
	}
	if got := list(t, s, "other/"); len(got) != 5 {
		t.Errorf("List sees %d of 5 objects that visit put", len(got))
	}
}

func putSeveral(t *testing.T, s storage.Store, n int) {
	t.Helper()
	for i := range n {
		put(t, s, fmt.Sprintf("data/%02d/%d", i%3, i), []byte("x"))
	}
}
