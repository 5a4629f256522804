package storage_test

import (
	"errors"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"holdfast/storage"
)

// FuzzCheckKey: a key that passes is the cleaned relative path it reads as.
func FuzzCheckKey(f *testing.F) {
	for _, key := range []string{"config", "data/3f/3f9a", "a//b", "../x", "a/..", "/", "", "a\x00b", `a\b`, "ä/é", "a\xffb", "..."} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		err := storage.CheckKey(key)
		if err != nil {
			if !errors.Is(err, storage.ErrInvalidKey) {
				t.Errorf("CheckKey(%q) = %v, want an ErrInvalidKey", key, err)
			}
			return
		}
		if path.Clean(key) != key || path.IsAbs(key) || key == "." || key == ".." || strings.HasPrefix(key, "../") {
			t.Errorf("CheckKey lets %q pass, which leads to %q", key, path.Clean(key))
		}
		if !utf8.ValidString(key) || strings.ContainsAny(key, "\x00\\\n") {
			t.Errorf("CheckKey lets %q pass", key)
		}
		if err := storage.CheckPrefix(key + "/"); err != nil {
			t.Errorf("CheckPrefix(%q/) = %v", key, err)
		}
		if err := storage.CheckPrefix(key); err == nil {
			t.Errorf("CheckPrefix(%q) = nil without a slash at the end", key)
		}
	})
}

func TestCheckRange(t *testing.T) {
	for _, test := range []struct {
		offset, size int64
		ok           bool
	}{{0, 0, true}, {0, 5, true}, {5, 5, true}, {6, 5, false}, {-1, 5, false}, {1, 0, false}} {
		err := storage.CheckRange("key", test.offset, test.size)
		if (err == nil) != test.ok || err != nil && !errors.Is(err, storage.ErrInvalidRange) {
			t.Errorf("CheckRange(%d of %d) = %v", test.offset, test.size, err)
		}
	}
}
