package tools

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

func TestCachedMakesOnceForAll(t *testing.T) {
	root := t.TempDir()
	var made atomic.Int32
	fill := func(_ context.Context, dir string) error {
		made.Add(1)
		return os.WriteFile(filepath.Join(dir, "tool"), []byte("x"), 0o755)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			dir, err := cached(t.Context(), root, "tool-v1", fill)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := os.Stat(filepath.Join(dir, "tool")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := made.Load(); n != 1 {
		t.Errorf("made %d times, want 1", n)
	}
}

func TestCachedFailureLeavesNothing(t *testing.T) {
	root := t.TempDir()
	broken := errors.New("no such version")
	_, err := cached(t.Context(), root, "tool-v1", func(_ context.Context, dir string) error {
		_ = os.WriteFile(filepath.Join(dir, "half"), nil, 0o644)
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatalf("err = %v, want %v", err, broken)
	}
	left, _ := filepath.Glob(filepath.Join(root, "tool-v1*"))
	for _, path := range left {
		if filepath.Ext(path) != ".lock" {
			t.Errorf("left behind: %s", path)
		}
	}
}

func TestInstallUnknown(t *testing.T) {
	if _, err := Install(t.Context(), "rustic"); !errors.Is(err, ErrUnknown) {
		t.Errorf("err = %v, want ErrUnknown", err)
	}
}

func TestKeysDifferByWhatChangesTheProgram(t *testing.T) {
	seen := map[string]string{}
	for name, r := range recipes() {
		key := r.key(name)
		if other, dup := seen[key]; dup {
			t.Errorf("%s and %s share the key %s", name, other, key)
		}
		seen[key] = name
	}
}
