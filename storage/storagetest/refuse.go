package storagetest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"holdfast/storage"
)

// calls runs every method that takes a key, with that key.
func calls(ctx context.Context, s storage.Store, key string) map[string]error {
	r, getErr := s.Get(ctx, key, 0, -1)
	if getErr == nil {
		r.Close()
	}
	_, statErr := s.Stat(ctx, key)
	return map[string]error{
		"Put":    s.Put(ctx, key, storage.Bytes([]byte("x")), storage.PutOptions{}),
		"Get":    getErr,
		"Stat":   statErr,
		"Delete": s.Delete(ctx, key),
	}
}

func testInvalidKeys(t *testing.T, s storage.Store) {
	put(t, s, "data/cc/cc01", []byte("x"))
	keys := []string{
		"", "/", "/data", "data/", "data//cc01", ".", "..", "./config", "../outside", "data/../config",
		"data/..", "data/./cc01", `data\cc01`, "data/\x00", "a\nb", "a\x7fb", "\xff\xfe",
		strings.Repeat("k", 1025),
	}
	for _, key := range keys {
		for method, err := range calls(t.Context(), s, key) {
			if !errors.Is(err, storage.ErrInvalidKey) {
				t.Errorf("%s(%.40q) = %v, want ErrInvalidKey", method, key, err)
			}
		}
	}
	if got := list(t, s, ""); len(got) != 1 {
		t.Errorf("List after refused keys = %q, want the one object", got)
	}
}

func testInvalidPrefixes(t *testing.T, s storage.Store) {
	put(t, s, "data/cc/cc01", []byte("x"))
	for _, prefix := range []string{"data", "data/cc", "/", "../", "data/../", "data//", `data\/`} {
		err := s.List(t.Context(), prefix, func(info storage.Info) error {
			t.Errorf("List(%q) visits %q", prefix, info.Key)
			return nil
		})
		if !errors.Is(err, storage.ErrInvalidKey) {
			t.Errorf("List(%q) = %v, want ErrInvalidKey", prefix, err)
		}
	}
}

func testEndedContext(t *testing.T, s storage.Store) {
	put(t, s, "data/cc/cc01", []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, key := range []string{"data/cc/cc01", "data/cc/cc02"} {
		for method, err := range calls(ctx, s, key) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s(%q) with an ended context = %v, want context.Canceled", method, key, err)
			}
		}
	}
	err := s.List(ctx, "", func(storage.Info) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("List with an ended context = %v, want context.Canceled", err)
	}
	wantObject(t, s, "data/cc/cc01", []byte("x"))
	wantAbsent(t, s, "data/cc/cc02")
}
