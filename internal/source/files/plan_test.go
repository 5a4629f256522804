//go:build unix

package files

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// drawn returns a plan as lines: "path" of the tree, "= leaf" for a root and
// "< info" for what leads to others.
func drawn(p *planned, at string) (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(p.below)) {
		child := p.below[name]
		line := at + name
		if child.below != nil {
			line += " < " + child.info
		}
		if child.leaf != "" {
			line += " = " + child.leaf
		}
		lines = append(append(lines, line), drawn(child, at+name+"/")...)
	}
	return lines
}

func TestPlanRoots(t *testing.T) {
	list := func(path string) ([]string, error) {
		switch path {
		case ".", "..", "/":
			return []string{"x", "y"}, nil
		}
		return nil, fmt.Errorf("unexpected list of %q", path)
	}
	for _, c := range []struct {
		paths []string
		want  string
	}{
		{[]string{"/a"}, "a = /a"},
		{[]string{"/a/b"}, "a < /a; a/b = /a/b"},
		{[]string{"/a/b", "/a/c"}, "a < /a; a/b = /a/b; a/c = /a/c"},
		{[]string{"a/b/"}, "a < a; a/b = a/b"},
		{[]string{"./a//b/.", "a/b"}, "a < a; a/b = a/b"},
		{[]string{"../a/b"}, "a < ../a; a/b = ../a/b"},
		{[]string{"../../a"}, "a = ../../a"},
		{[]string{"/a", "a", "../a"}, "a = /a; a-1 = a; a-2 = ../a"},
		{[]string{"/a/x", "a/x", "/a/y"}, "a < /a; a/x = /a/x; a/y = /a/y; a-1 < a; a-1/x = a/x"},
		{[]string{"/a", "/a/b/c"}, "a < /a = /a; a/b < /a/b = /a/b; a/b/c = /a/b/c"},
		{[]string{"/a/b/c", "/a"}, "a < /a = /a; a/b < /a/b = /a/b; a/b/c = /a/b/c"},
		{[]string{".", "a"}, "a = a; x = x; y = y"},
		{[]string{".", "x/z"}, "x < x = x; x/z = x/z; y = y"},
		{[]string{"..", "/x"}, "x = ../x; x-1 = /x; y = ../y"},
	} {
		t.Run(strings.Join(c.paths, " "), func(t *testing.T) {
			top, err := planRoots(c.paths, list)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(drawn(top, ""), "; "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestPlanOfLoneDirectoryWithoutName(t *testing.T) {
	for _, path := range []string{".", "..", "/", "./", "../.."} {
		top, err := planRoots([]string{path}, nil)
		if err != nil || top.leaf == "" || top.below != nil {
			t.Errorf("%q gives %+v, %v", path, top, err)
		}
	}
	if _, err := planRoots([]string{""}, nil); err == nil {
		t.Error("an empty path was taken")
	}
}

func TestRootsAreOneTree(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "a/file", "a/in/deep/file", "a/in/other", "b/file", "b/more")
	must(t, os.Symlink("../b", dir+"/a/link"))
	base := strings.TrimPrefix(dir, "/") + "/"

	for _, c := range []struct {
		name  string
		paths []string
		want  []string
		gone  []string
	}{
		{"two roots", []string{"/a/in", "/b"}, []string{"a/in/deep/file", "a/in/other", "b/file"}, []string{"a/file"}},
		{"root in root", []string{"/a", "/a/in/deep"}, []string{"a/file", "a/in/deep/file", "a/in/other", "a/link"}, []string{"b", "a/link/file"}},
		{"root through a link", []string{"/a", "/a/link/file"}, []string{"a/file", "a/link/file", "a/link/more"}, []string{"b"}},
		{"link as root", []string{"/a/link/"}, []string{"a/link"}, []string{"a/link/file"}},
		{"file as root", []string{"/b/file"}, []string{"b/file"}, []string{"b/more"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var paths []string
			for _, path := range c.paths {
				paths = append(paths, dir+path)
			}
			all := walkAll(t, Config{Paths: paths, MaxOpenDirs: 1})
			for _, path := range c.want {
				if found, ok := all[base+path]; !ok || found.entry.IsRegular() && found.content == "" {
					t.Errorf("%s is missing or empty", path)
				}
			}
			for _, path := range c.gone {
				if _, ok := all[base+path]; ok {
					t.Errorf("%s is there", path)
				}
			}
		})
	}
}

func TestSameNameFromTwoPlaces(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "here/name/x", "name/y")
	t.Chdir(dir + "/here")
	all := walkAll(t, Config{Paths: []string{"name", "../name"}})
	for _, path := range []string{"name", "name/x", "name-1", "name-1/y"} {
		if found, ok := all[path]; !ok || found.node.Name != path[strings.LastIndex(path, "/")+1:] {
			t.Errorf("%s: found %v, node %+v", path, ok, found.node)
		}
	}
}

// Messages name paths as they were given.
func TestPathsAreNamedAsWritten(t *testing.T) {
	at := t.TempDir()
	plant(t, at, "here/docs/a/b", "there/x/y", "other/z/w")
	t.Chdir(at + "/here")
	src, err := New(Config{Paths: []string{"docs", "../there/x", at + "/other/z"}})
	if err != nil {
		t.Fatal(err)
	}
	top, err := src.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer top.Close()
	for names, want := range map[string]string{
		"docs": "docs", "docs/a": "docs/a", "docs/a/b": "docs/a/b",
		"there": "../there", "there/x": "../there/x", "there/x/y": "../there/x/y",
	} {
		d, parts := top, strings.Split(names, "/")
		for _, name := range parts[:len(parts)-1] {
			e, err := d.Stat(name)
			if err == nil {
				d, err = d.Sub(e)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
		}
		if got := d.PathOf(parts[len(parts)-1]); got != want {
			t.Errorf("%s is called %q, want %q", names, got, want)
		}
		if _, err := d.Stat("missing"); err == nil || !strings.Contains(err.Error(), "missing") {
			t.Errorf("stat in %s: %v", names, err)
		}
	}
}
