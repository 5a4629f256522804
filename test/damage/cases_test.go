package damage

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// damaged is one way to damage one file of a repository.
type damaged struct {
	name string
	// kind is the folder of the file: config, keys, …, data or trees.
	kind string
	file string // below the repository
	do   func(t *testing.T, path string)
}

func (d damaged) apply(t *testing.T, repo string) {
	t.Helper()
	d.do(t, filepath.Join(repo, d.file))
}

// flip flips a bit of the byte at a place, from the end if it is negative.
func flip(at int) func(*testing.T, string) {
	return change(func(b []byte) []byte {
		if at < 0 {
			at += len(b)
		}
		b[at] ^= 0x10
		return b
	})
}

func truncate(to int) func(*testing.T, string) {
	return change(func(b []byte) []byte {
		if to < 0 {
			to += len(b)
		}
		return b[:to]
	})
}

func change(how func([]byte) []byte) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil { // files are read-only
			t.Fatal(err)
		}
		if err := os.WriteFile(path, how(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// cases lists damage to every kind of file of a repository.
func cases(t *testing.T, repo string) []damaged {
	t.Helper()
	var list []damaged
	for kind, paths := range filesOf(t, repo) {
		for n, file := range paths {
			add := func(name string, do func(*testing.T, string)) {
				list = append(list, damaged{name: kind + " " + string(rune('A'+n)) + ": " + name, kind: kind, file: file, do: do})
			}
			for name, do := range anyFile(file) {
				add(name, do)
			}
			if kind == "data" || kind == "trees" {
				for name, do := range packPlaces(t, filepath.Join(repo, file)) {
					add(name, do)
				}
			}
			if kind != "keys" && kind != "snapshots" && kind != "locks" {
				add("removed", remove) // nobody can know that one of these was there
			}
		}
	}
	slices.SortFunc(list, func(a, b damaged) int { return strings.Compare(a.name, b.name) })
	return list
}

// anyFile is damage that suits every kind of file.
func anyFile(string) map[string]func(*testing.T, string) {
	return map[string]func(*testing.T, string){
		"first byte": flip(0),
		"last byte":  flip(-1),
		"middle": change(func(b []byte) []byte {
			b[len(b)/2] ^= 1
			return b
		}),
		"one byte short":    truncate(-1),
		"half":              change(func(b []byte) []byte { return b[:len(b)/2] }),
		"one byte too much": change(func(b []byte) []byte { return append(b, 0) }),
		"replaced by zeros": change(func(b []byte) []byte { return make([]byte, len(b)) }),
	}
}

// packPlaces is damage at each kind of place in a pack.
func packPlaces(t *testing.T, path string) map[string]func(*testing.T, string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	header := int(binary.LittleEndian.Uint32(b[len(b)-4:]))
	return map[string]func(*testing.T, string){
		"IV of the first blob":       flip(5),
		"body of the first blob":     flip(20),
		"tag of the last blob":       flip(-4 - header - 1),
		"IV of the header":           flip(-4 - header + 3),
		"body of the header":         flip(-4 - header/2),
		"tag of the header":          flip(-4 - 2),
		"length of the header":       flip(-4),
		"cut in the last blob":       truncate(-4 - header - 10),
		"cut before the header":      truncate(-4 - header),
		"cut in the header":          truncate(-4 - header/2),
		"cut in the header's length": truncate(-2),
		"empty":                      truncate(0),
	}
}

// filesOf lists the files of a repository by kind. Packs of trees are told
// from packs of data by what the fixture puts into them: they are smaller.
func filesOf(t *testing.T, repo string) map[string][]string {
	t.Helper()
	list := make(map[string][]string)
	sizes := make(map[string]int64)
	err := filepath.WalkDir(repo, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(repo, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		kind, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
		sizes[rel] = info.Size()
		list[kind] = append(list[kind], rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	packs := list["data"]
	slices.SortFunc(packs, func(a, b string) int { return int(sizes[b] - sizes[a]) })
	// In size: data of the first and of the second snapshot, then the trees.
	list["data"], list["trees"] = packs[:2], packs[2:]
	return list
}
