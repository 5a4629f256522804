package main

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestAtticKeepsTreesToTheEnd(t *testing.T) {
	root := t.TempDir()
	a, err := newAttic(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, full := range []bool{false, true} {
		tree := filepath.Join(root, "tree")
		if err := os.MkdirAll(filepath.Join(tree, "folder"), 0o755); err != nil {
			t.Fatal(err)
		}
		if full {
			a.bytes = atticBytes + 1
		}
		if err := a.take(tree); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(tree); !os.IsNotExist(err) {
			t.Errorf("the tree is still where it was: %v", err)
		}
		if kept, _ := os.ReadDir(a.dir); len(kept) != 1 {
			t.Errorf("%d trees are kept, want 1", len(kept))
		}
	}
	if err := a.clear(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(a.dir); !os.IsNotExist(err) {
		t.Errorf("the attic is still there: %v", err)
	}
}

func TestAtticWaitsAfterItWasCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := newAttic(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		waited := func() time.Duration {
			start := time.Now()
			if err := a.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			return time.Since(start)
		}
		if err := a.clear(); err != nil { // nothing was in it
			t.Fatal(err)
		}
		if got := waited(); got != 0 {
			t.Errorf("waited %v though nothing was deleted", got)
		}
		if err := os.MkdirAll(filepath.Join(a.dir, "1"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := a.clear(); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(a.cleared, time.Now(), time.Now().Add(-2*time.Minute)); err != nil {
			t.Fatal(err)
		}
		if got := waited(); got != 3*time.Minute {
			t.Errorf("waited %v, want 3 min", got)
		}
		if got := waited(); got != 0 {
			t.Errorf("waited %v again", got)
		}
	})
}
