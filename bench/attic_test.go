package main

import (
	"os"
	"path/filepath"
	"testing"
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
