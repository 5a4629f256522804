package restore

import (
	"os"
	"path/filepath"
	"testing"
)

// A target that was checked is reached over no symlink that was put on the way
// to it since.
func TestASymlinkOnTheWayToTheTarget(t *testing.T) {
	b := newBed(t)
	s := b.make(fileOf("f", "x"))
	below, outside := t.TempDir(), t.TempDir()
	for name, to := range map[string]string{"out": outside, "here": ".", "gone": filepath.Join(outside, "new")} {
		if err := os.Symlink(to, filepath.Join(below, name)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, below+"/file", "x")
	within := func(o *Options) { o.Below = below }
	for _, target := range []string{"out", "out/a/b", "here/a", "gone", "gone/a", "file", "file/a", "", ".", "..", "../x"} {
		for _, dry := range []bool{true, false} {
			if _, err := b.try(t.Context(), s, filepath.Join(below, target), within, func(o *Options) { o.DryRun = dry }); err == nil {
				t.Errorf("restored to %q", target)
			}
		}
	}
	if got := lists(t, outside); len(got) > 0 {
		t.Errorf("outside there is %q", got)
	}
	target := filepath.Join(below, "a", "b")
	b.restore(s, target, within, func(o *Options) { o.DryRun = true })
	if exists(filepath.Join(below, "a")) {
		t.Error("what only tells what would be done makes folders")
	}
	b.restore(s, target, within)
	b.restore(s, target, within, func(o *Options) { o.Overwrite = Always })
	if content(filepath.Join(target, "f")) != "x" {
		t.Error("nothing is restored")
	}
}
