package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The data must be the same everywhere and for ever, or figures of different
// machines and years cannot be compared.
func TestDataIsPinned(t *testing.T) {
	small := mixed{divisor: 1024}
	for name, c := range map[string]struct {
		write func(io.Writer) error
		want  string
	}{
		"random": {small.writeRandom, "d30cdcffd488af56"},
		"table":  {small.writeTable, "cb269a9cf986c093"},
		"tiny":   {func(w io.Writer) error { return writeTiny(w, 1000) }, "24cb63ad7d7c6676"},
	} {
		t.Run(name, func(t *testing.T) {
			h := sha256.New()
			if err := c.write(h); err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(h.Sum(nil)[:8]); got != c.want {
				t.Errorf("data changed: %s, want %s", got, c.want)
			}
		})
	}
}

func writeTiny(w io.Writer, n int) error {
	r := newRandom(11)
	for i := range n {
		if _, err := w.Write(tinyContent(r, i)); err != nil {
			return err
		}
	}
	return nil
}

func TestTableLooksLikeRows(t *testing.T) {
	var b bytes.Buffer
	if err := (mixed{divisor: 16384}).writeTable(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	for _, line := range lines[:len(lines)-1] {
		if strings.Count(line, ",") != 5 {
			t.Fatalf("not six columns: %q", line)
		}
	}
	if got, want := int64(b.Len()), (mixed{divisor: 16384}).tableBytes(); got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
}

func TestSampleHasNoDoubles(t *testing.T) {
	seen := map[int]bool{}
	for _, n := range newRandom(1).sample(1000, 1000) {
		if n < 0 || n >= 1000 || seen[n] {
			t.Fatalf("%d is a double or out of range", n)
		}
		seen[n] = true
	}
}

func TestChangeAndRevert(t *testing.T) {
	for name, s := range map[string]dataSet{
		"lines": testSet(t, editLines, func(dir string) error {
			return tiny{files: 400}.build(t.Context(), dir)
		}),
		"mixed": testSet(t, mixed{divisor: 1024}.edits, func(dir string) error {
			m := mixed{divisor: 1024}
			if err := writeFile(filepath.Join(dir, "vm.img"), m.writeRandom); err != nil {
				return err
			}
			return writeFile(filepath.Join(dir, "table.csv"), m.writeTable)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			before := contents(t, s.dir)
			if err := s.change(); err != nil {
				t.Fatal(err)
			}
			changed := contents(t, s.dir)
			if got, want := differing(before, changed), wantChanged(len(before)); got != want {
				t.Errorf("%d of %d files changed, want %d", got, len(before), want)
			}
			// Twice: a revert that was cut short is run again.
			for range 2 {
				if err := s.revert(); err != nil {
					t.Fatal(err)
				}
			}
			if !maps.Equal(before, contents(t, s.dir)) {
				t.Error("revert did not bring the files back")
			}
			if err := s.change(); err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(changed, contents(t, s.dir)) {
				t.Error("the second change differs from the first")
			}
		})
	}
}

func TestRevertAfterAChangeCutShort(t *testing.T) {
	s := testSet(t, editLines, func(dir string) error { return tiny{files: 400}.build(t.Context(), dir) })
	before := contents(t, s.dir)
	if err := s.change(); err != nil {
		t.Fatal(err)
	}
	// As if killed between the two renames of the last file, before which the
	// first file had not been touched.
	list, err := os.ReadFile(filepath.Join(s.saved, changeList))
	if err != nil {
		t.Fatal(err)
	}
	paths := strings.Fields(string(list))
	if err := os.Remove(paths[len(paths)-1]); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.original(0), paths[0]); err != nil {
		t.Fatal(err)
	}
	if err := s.revert(); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(before, contents(t, s.dir)) {
		t.Error("revert did not bring the files back")
	}
}

func TestEnsureBuildsOnceAndWhole(t *testing.T) {
	builds := 0
	s := dataSet{dir: filepath.Join(t.TempDir(), "D"), build: func(_ context.Context, dir string) error {
		builds++
		return os.WriteFile(filepath.Join(dir, "f"), nil, 0o644)
	}}
	if err := os.MkdirAll(s.dir+".making/half", 0o755); err != nil { // of a killed run
		t.Fatal(err)
	}
	for range 2 {
		if err := s.ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if files := contents(t, s.dir); len(files) != 1 || builds != 1 {
		t.Errorf("%d files after %d builds, want 1 and 1", len(files), builds)
	}
}

func testSet(t *testing.T, edits func([]string) []edit, build func(dir string) error) dataSet {
	t.Helper()
	root := t.TempDir()
	s := dataSet{dir: filepath.Join(root, "data"), saved: filepath.Join(root, "saved"), edits: edits}
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := build(s.dir); err != nil {
		t.Fatal(err)
	}
	return s
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := regularFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = string(text)
	}
	return all
}

func differing(a, b map[string]string) int {
	n := 0
	for path, text := range a {
		if b[path] != text {
			n++
		}
	}
	return n
}

// wantChanged is 1 % of many files, or both of two.
func wantChanged(files int) int {
	if files == 2 {
		return 2
	}
	return files / 100
}
