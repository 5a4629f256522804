package pattern

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"holdfast/test/tools"
)

// TestSelectsWhatResticSelects gives patterns to restic restore and compares
// the files it would restore with those our lists choose by the same walk.
func TestSelectsWhatResticSelects(t *testing.T) {
	if testing.Short() {
		t.Skip("runs restic")
	}
	r := newRestic(t)
	r.backup(
		"foo/bar/main.go", "foo/bar/b.c", "foo/x/bar/a.go", "foo/x/q", "foo/x/y/z/bar/deep/e.c",
		"bin/bash", "usr/bin/restic", "dir/foobar", "dir/foo/file", "code/keep.log", "code/drop.log",
		"Big/Photo.JPG", "a/b/c", "a/x/b/c", "a/b/b/z", "st*r", "star", "name with space/f",
	)
	for _, patterns := range [][]string{
		{"*.c", "*.go", "foo/**/bar"},
		{"/bin", "foo"},
		{"/*", "!/foo", "!/code", "*.log", "!keep.log", "q"},
		{"/a/**/b/**", `st\*r`, "name with*", "!b.c"},
		{"/foo/*/bar", "/a/?", "[!x]", "dir/"},
		{"/foo/**/bar/**/e.c", "big", "/Big/*.jpg"},
	} {
		list := parse(t, patterns...)
		if got, want := r.walk(func(p string) (bool, bool) { return list.Match(p), list.ChildMayMatch(p) }), r.restore("--include", patterns); !slices.Equal(got, want) {
			t.Errorf("--include %q\n got %q\nwant %q", patterns, got, want)
		}
		if got, want := r.walk(func(p string) (bool, bool) { return !list.Match(p), !list.Match(p) }), r.restore("--exclude", patterns); !slices.Equal(got, want) {
			t.Errorf("--exclude %q\n got %q\nwant %q", patterns, got, want)
		}
	}
	fold := []string{"*.jpg", "FOO/*", "!/foo/X"}
	list, err := ParseFold(fold)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.walk(func(p string) (bool, bool) { return list.Match(p), list.ChildMayMatch(p) }), r.restore("--iinclude", fold); !slices.Equal(got, want) {
		t.Errorf("--iinclude %q\n got %q\nwant %q", fold, got, want)
	}
}

// restic is a repository with one snapshot of the tree at dir/tree.
type restic struct {
	t    *testing.T
	path string
	dir  string
}

func newRestic(t *testing.T) *restic {
	t.Helper()
	r := &restic{t: t, path: tools.Restic(t), dir: t.TempDir()}
	r.run("init", "--quiet")
	return r
}

func (r *restic) backup(files ...string) {
	r.t.Helper()
	for _, f := range files {
		name := filepath.Join(r.dir, "tree", filepath.FromSlash(f))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	r.run("backup", "--quiet", "tree")
}

// restore returns the files, sorted, that restic would restore with every
// pattern given to option.
func (r *restic) restore(option string, patterns []string) []string {
	r.t.Helper()
	args := []string{"restore", "latest:/tree", "--target", "out", "--dry-run", "-vv", "--json"}
	for _, p := range patterns {
		args = append(args, option, p)
	}
	var files []string
	lines := json.NewDecoder(bytes.NewReader(r.run(args...)))
	for lines.More() {
		var line struct {
			Action, Item string
		}
		if err := lines.Decode(&line); err != nil {
			r.t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(r.dir, "tree", line.Item))
		if err == nil && line.Action == "restored" && info.Mode().IsRegular() {
			files = append(files, line.Item)
		}
	}
	slices.Sort(files)
	return files
}

// walk returns the files, sorted, for which choose says that they are chosen,
// going down only into directories for which it says so.
func (r *restic) walk(choose func(path string) (chosen, enter bool)) []string {
	r.t.Helper()
	var files []string
	root := filepath.Join(r.dir, "tree")
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		path := filepath.ToSlash(name[len(root):])
		chosen, enter := choose(path)
		if entry.IsDir() && !enter {
			return fs.SkipDir
		}
		if chosen && !entry.IsDir() {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

func (r *restic) run(args ...string) []byte {
	r.t.Helper()
	cmd := exec.Command(r.path, args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "RESTIC_REPOSITORY=repo", "RESTIC_PASSWORD=x", "RESTIC_CACHE_DIR="+filepath.Join(r.dir, "cache"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("restic %q: %v\n%s", args, err, &stderr)
	}
	return out
}
