package restore

import (
	"os"
	"path/filepath"
	"testing"

	"holdfast/test/oddities"
)

// makeOddities returns a folder with nothing but the folder "all", full of
// oddities: the metadata of the target itself are not restored.
func makeOddities(t *testing.T) string {
	t.Helper()
	src := t.TempDir()
	if err := os.Mkdir(filepath.Join(src, "all"), 0o750); err != nil {
		t.Fatal(err)
	}
	oddities.Make(t, filepath.Join(src, "all"))
	if os.Geteuid() != 0 { // nobody but root can back these up
		for _, name := range []string{"file-0000", "file-0200"} {
			if err := os.Remove(filepath.Join(src, "all", "modes", name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return src
}

func compare(t *testing.T, src, target string) {
	t.Helper()
	oddities.Compare(t, filepath.Join(src, "all"), filepath.Join(target, "all"))
}

func TestOddities(t *testing.T) {
	src := makeOddities(t)
	b := newBed(t)
	s := b.backUp(src)
	for name, change := range map[string]func(*Options){
		"usual":  func(o *Options) { o.Verify = true },
		"sparse": func(o *Options) { o.Sparse = true },
		"single": func(o *Options) { o.Workers = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			target := t.TempDir()
			out := b.restore(s, target, change)
			compare(t, src, target)
			if out.receipt.OwnersKept+out.receipt.AttributesLost > 0 {
				t.Logf("lost: %+v", out.receipt)
			}
		})
	}
}

// A second restore finds everything in place and changes nothing.
func TestOdditiesAgain(t *testing.T) {
	src, target := makeOddities(t), t.TempDir()
	b := newBed(t)
	s := b.backUp(src)
	b.restore(s, target)
	for _, mode := range overwriteModes {
		out := b.restore(s, target, func(o *Options) { o.Overwrite, o.Delete = mode, true })
		compare(t, src, target)
		if n := out.progress.ItemsDeleted.Load(); n > 0 {
			t.Errorf("%s: deleted %q", mode, out.actions(Deleted))
		}
		if n := out.progress.BytesRestored.Load(); n > 0 && mode == Never {
			t.Errorf("%s: %d bytes written", mode, n)
		}
	}
}

// A snapshot replaces whatever another one has left in the target.
func TestOdditiesOverOthers(t *testing.T) {
	src := makeOddities(t)
	b := newBed(t)
	s := b.backUp(src)
	other := b.make(dirOf("all",
		dirOf("hardlinks", fileOf("one", "x"), linkOf("two", "one"), dirOf("empty"), linkOf("below", "/etc")),
		linkOf("names", "/tmp"),
		fileOf("modes", "not a folder"),
		dirOf("sizes", fileOf("zeros", "ab", "cd"), fileOf("4096", "ef"), dirOf("0")),
		dirOf("special", dirOf("fifo"), fileOf("empty-dir", "x"), dirOf("char")),
		dirOf("symlinks", fileOf("dangling", "x"), dirOf("target")),
		fileOf("surplus", "x"),
	))
	target := t.TempDir()
	b.restore(other, target)
	b.restore(s, target, func(o *Options) { o.Delete = true })
	compare(t, src, target)
}
