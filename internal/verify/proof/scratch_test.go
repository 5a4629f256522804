package proof

import (
	"os"
	"path/filepath"
	"testing"
)

func TestScratchIsCleanedOfWhatKilledRunsLeft(t *testing.T) {
	at := filepath.Join(t.TempDir(), "scratch [1]")
	first, err := NewScratch(at)
	if err != nil {
		t.Fatal(err)
	}
	left, err := first.Make()
	if err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(left, "closed")
	if err := os.MkdirAll(filepath.Join(closed, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(at, "somebody's")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	second, err := NewScratch(at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(left); !os.IsNotExist(err) {
		t.Errorf("%s is still there", left)
	}
	second.Close()
	if _, err := os.Lstat(other); err != nil {
		t.Errorf("a file that is not ours is gone: %v", err)
	}
}
