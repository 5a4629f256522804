package restore

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/pattern"
)

var (
	older = time.Unix(900_000_000, 0)
	newer = time.Unix(1_100_000_000, 0)
)

// Every mode, for a file that is older and one that is newer than in the
// snapshot.
func TestOverwrite(t *testing.T) {
	for _, c := range []struct {
		mode       Overwrite
		replaced   []string
		bytesWrote uint64
	}{
		{IfChanged, []string{"new", "newer", "older"}, 3 * 5},
		{Always, []string{"new", "newer", "older", "same"}, 3*5 + 8},
		{IfNewer, []string{"new", "older"}, 2 * 5},
		{Never, []string{"new"}, 5},
	} {
		t.Run(string(c.mode), func(t *testing.T) {
			b := newBed(t)
			s := b.make(fileOf("new", "there"), fileOf("newer", "there"), fileOf("older", "there"), fileOf("same", "in", "common"))
			target := t.TempDir()
			put(t, target+"/newer", "a longer one that was here")
			put(t, target+"/older", "here")
			put(t, target+"/same", "incommon")
			age(t, target+"/newer", newer)
			age(t, target+"/older", older)
			age(t, target+"/same", newer)
			out := b.restore(s, target, func(o *Options) { o.Overwrite, o.Verify = c.mode, true })
			var replaced []string
			for _, name := range []string{"new", "newer", "older"} {
				if content(target+"/"+name) == "there" {
					replaced = append(replaced, name)
				}
			}
			if a := out.items["/same"]; a == Updated {
				replaced = append(replaced, "same")
			}
			if !slices.Equal(replaced, c.replaced) {
				t.Errorf("replaced %q, want %q", replaced, c.replaced)
			}
			if n := out.progress.BytesRestored.Load(); n != c.bytesWrote {
				t.Errorf("%d bytes written, want %d", n, c.bytesWrote)
			}
		})
	}
}

// Only the pieces that differ are written, into the file that is there.
func TestRewritesOnlyDifferences(t *testing.T) {
	b := newBed(t)
	a, c, d := strings.Repeat("a", 5000), strings.Repeat("c", 7000), strings.Repeat("d", 100)
	s := b.make(fileOf("f", a, c, a, d), fileOf("short", a, d), fileOf("long", a, d))
	target := t.TempDir()
	put(t, target+"/f", a+strings.Repeat("x", 7000)+a+d)
	put(t, target+"/short", a)
	put(t, target+"/long", a+d+"and more")
	before, err := os.Stat(target + "/f")
	if err != nil {
		t.Fatal(err)
	}
	out := b.restore(s, target)
	if got, want := out.progress.BytesRestored.Load(), uint64(7000+100); got != want {
		t.Errorf("%d bytes written, want %d", got, want)
	}
	for name, want := range map[string]string{"f": a + c + a + d, "short": a + d, "long": a + d} {
		if content(target+"/"+name) != want {
			t.Errorf("%s has wrong content", name)
		}
	}
	after, err := os.Stat(target + "/f")
	if err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(time.Unix(1e9, 0)) {
		t.Errorf("replaced, or modified at %v: %v", after.ModTime(), err)
	}
}

// A file that has another name, maybe outside the target, is replaced.
func TestHardLinkOutside(t *testing.T) {
	for _, mode := range []Overwrite{IfChanged, Always} {
		b := newBed(t)
		s := b.make(fileOf("f", "common", "new"))
		outside, target := t.TempDir(), t.TempDir()
		put(t, outside+"/precious", "commonold")
		if err := os.Chmod(outside+"/precious", 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(outside+"/precious", target+"/f"); err != nil {
			t.Fatal(err)
		}
		out := b.restore(s, target, func(o *Options) { o.Overwrite = mode })
		if content(target+"/f") != "commonnew" || content(outside+"/precious") != "commonold" {
			t.Errorf("%s: target %q, outside %q", mode, content(target+"/f"), content(outside+"/precious"))
		}
		if info, err := os.Stat(outside + "/precious"); err != nil || info.Mode().Perm() != 0o600 || info.ModTime().Equal(time.Unix(1e9, 0)) {
			t.Errorf("%s: metadata of the file outside changed: %v", mode, info)
		}
		if got := out.progress.BytesRestored.Load(); mode == IfChanged && got != 3 {
			t.Errorf("%d bytes fetched, want 3", got)
		}
	}
}

// Folders are removed for something else only when empty; symlinks give way
// to folders and are not followed.
func TestOtherTypesInTheWay(t *testing.T) {
	b := newBed(t)
	s := b.make(dirOf("dir", fileOf("f", "new")), fileOf("file", "new"), fileOf("file2", "new"), linkOf("link", "x"))
	prepare := func() (target, outside string) {
		target, outside = t.TempDir(), t.TempDir()
		put(t, outside+"/f", "precious")
		put(t, target+"/file/full", "x")
		for _, err := range []error{
			os.Symlink(outside, target+"/dir"), os.Mkdir(target+"/file2", 0o755), os.Symlink(outside+"/f", target+"/link"),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return target, outside
	}
	target, outside := prepare()
	out := b.restoreSome(s, target)
	if !slices.Equal(out.failed(), []string{"/file"}) {
		t.Errorf("failed: %v", out.problems)
	}
	if content(outside+"/f") != "precious" || content(target+"/dir/f") != "new" || content(target+"/file2") != "new" || content(target+"/file/full") != "x" {
		t.Error("wrong content")
	}
	if to, err := os.Readlink(target + "/link"); to != "x" {
		t.Errorf("link leads to %q, %v", to, err)
	}

	target, outside = prepare()
	out = b.restoreSome(s, target, func(o *Options) { o.Overwrite = Never })
	if !slices.Equal(out.failed(), []string{"/dir"}) {
		t.Errorf("never: failed: %v", out.problems)
	}
	if content(outside+"/f") != "precious" || !exists(target+"/file/full") {
		t.Error("never: something was overwritten")
	}

	target, _ = prepare()
	b.restore(s, target, func(o *Options) { o.Delete = true })
	if content(target+"/file") != "new" {
		t.Error("delete: the full folder is still there")
	}
}

func lists1(t *testing.T, patterns ...string) pattern.Lists {
	t.Helper()
	l, err := pattern.Parse(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return pattern.Lists{l}
}

func TestFilter(t *testing.T) {
	b := newBed(t)
	s := b.make(
		dirOf("a", dirOf("deep", fileOf("x.txt", "1")), dirOf("empty"), fileOf("y.bin", "2")),
		dirOf("b", fileOf("x.txt", "3")),
		fileOf("c.txt", "4"),
	)
	for name, c := range map[string]struct {
		filter Filter
		want   []string
	}{
		"all":     {Filter{}, []string{"/a", "/a/deep", "/a/deep/x.txt", "/a/empty", "/a/y.bin", "/b", "/b/x.txt", "/c.txt"}},
		"include": {Filter{Include: lists1(t, "/a/deep")}, []string{"/a", "/a/deep", "/a/deep/x.txt"}},
		"by name": {Filter{Include: lists1(t, "*.txt")}, []string{"/a", "/a/deep", "/a/deep/x.txt", "/b", "/b/x.txt", "/c.txt"}},
		"exclude": {Filter{Exclude: lists1(t, "/a/deep", "c.txt")}, []string{"/a", "/a/empty", "/a/y.bin", "/b", "/b/x.txt"}},
		"both":    {Filter{Include: lists1(t, "*.txt"), Exclude: lists1(t, "/b")}, []string{"/a", "/a/deep", "/a/deep/x.txt", "/c.txt"}},
		"none":    {Filter{Include: lists1(t, "nothing")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			target := t.TempDir()
			for _, dry := range []bool{true, false} {
				out := b.restore(s, target, func(o *Options) { o.Filter, o.DryRun = c.filter, dry })
				if got := out.actions(Restored); !slices.Equal(got, c.want) {
					t.Errorf("dry run %v: restored %q, want %q", dry, got, c.want)
				}
				if dry && len(lists(t, target)) > 0 {
					t.Errorf("a dry run made %q", lists(t, target))
				}
			}
			var there []string
			err := filepath.WalkDir(target, func(path string, _ os.DirEntry, err error) error {
				if path != target {
					there = append(there, strings.TrimPrefix(path, target))
				}
				return err
			})
			if err != nil || !slices.Equal(there, c.want) {
				t.Errorf("there is %q, want %q", there, c.want)
			}
		})
	}
}

func TestDelete(t *testing.T) {
	b := newBed(t)
	s := b.make(dirOf("a", fileOf("keep", "1")), fileOf("top", "2"))
	prepare := func() (target, outside string) {
		target, outside = t.TempDir(), t.TempDir()
		put(t, outside+"/precious", "x")
		for _, name := range []string{"a/gone", "a/deep/gone", "a/deep/stay.txt", "other/gone", "gone", "repo/config"} {
			put(t, target+"/"+name, "x")
		}
		if err := os.Symlink(outside, target+"/a/link"); err != nil {
			t.Fatal(err)
		}
		return target, outside
	}
	del := func(o *Options) { o.Delete = true }
	all := []string{"/a/deep", "/a/deep/gone", "/a/deep/stay.txt", "/a/gone", "/a/link", "/gone", "/other", "/other/gone", "/repo", "/repo/config"}

	t.Run("dry run", func(t *testing.T) {
		target, _ := prepare()
		out := b.restore(s, target, del, func(o *Options) { o.DryRun = true })
		if got := out.actions(Deleted); !slices.Equal(got, all) {
			t.Errorf("would delete %q, want %q", got, all)
		}
		if !exists(target+"/a/deep/stay.txt") || exists(target+"/top") {
			t.Error("the dry run changed something")
		}
	})
	t.Run("all", func(t *testing.T) {
		target, outside := prepare()
		out := b.restore(s, target, del)
		if got := out.actions(Deleted); !slices.Equal(got, all) {
			t.Errorf("deleted %q, want %q", got, all)
		}
		if got := lists(t, target); !slices.Equal(got, []string{"a", "top"}) || !exists(outside+"/precious") {
			t.Errorf("left %q", got)
		}
	})
	t.Run("excluded", func(t *testing.T) {
		target, _ := prepare()
		out := b.restore(s, target, del, func(o *Options) { o.Filter.Exclude = lists1(t, "*.txt", "/other") })
		want := []string{"/a/deep/gone", "/a/gone", "/a/link", "/gone", "/repo", "/repo/config"}
		if got := out.actions(Deleted); !slices.Equal(got, want) {
			t.Errorf("deleted %q, want %q", got, want)
		}
		if !exists(target+"/a/deep/stay.txt") || !exists(target+"/other/gone") {
			t.Error("something excluded was deleted")
		}
	})
	t.Run("included", func(t *testing.T) {
		target, _ := prepare()
		out := b.restore(s, target, del, func(o *Options) { o.Filter.Include = lists1(t, "/a") })
		want := []string{"/a/deep", "/a/deep/gone", "/a/deep/stay.txt", "/a/gone", "/a/link"}
		if got := out.actions(Deleted); !slices.Equal(got, want) {
			t.Errorf("deleted %q, want %q", got, want)
		}
	})
	t.Run("protected", func(t *testing.T) {
		target, _ := prepare()
		out := b.restoreSome(s, target, del, func(o *Options) { o.Protected = []string{target + "/repo"} })
		if !slices.Equal(out.failed(), []string{"/repo"}) || !exists(target+"/repo/config") {
			t.Errorf("failed %v", out.problems)
		}
	})
	t.Run("protected file", func(t *testing.T) {
		target, _ := prepare()
		symlink := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(target+"/repo/config", symlink); err != nil {
			t.Fatal(err)
		}
		out := b.restoreSome(s, target, del, func(o *Options) {
			o.Protected = []string{target + "/gone", symlink, target + "/nothing"}
		})
		if got := out.failed(); !slices.Equal(got, []string{"/gone", "/repo/config"}) || !exists(target+"/gone") || !exists(target+"/repo/config") {
			t.Errorf("failed %q: %v", got, out.problems)
		}
	})
	t.Run("protected folder that the snapshot has", func(t *testing.T) {
		target, _ := prepare()
		out := b.restoreSome(s, target, del, func(o *Options) { o.Protected = []string{target + "/a"} })
		if got := out.failed(); !slices.Equal(got, []string{"/a/deep", "/a/gone", "/a/link"}) || !exists(target+"/a/gone") || exists(target+"/other") {
			t.Errorf("failed %q: %v", got, out.problems)
		}
	})
	t.Run("apart", func(t *testing.T) {
		target, _ := prepare()
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(target+"/repo", link); err != nil {
			t.Fatal(err)
		}
		for _, into := range []string{target + "/repo", target + "/repo/data/new", link, link + "/new/below"} {
			if _, err := b.try(t.Context(), s, into, func(o *Options) { o.Apart = []string{target + "/repo"} }); err == nil {
				t.Errorf("the repository would be restored over, at %s", into)
			}
		}
	})
	t.Run("damaged tree", func(t *testing.T) {
		target, _ := prepare()
		bad := b.make(fileOf("..", "x"), fileOf("top", "2"))
		out := b.restoreSome(bad, target, del)
		if got := out.actions(Deleted); len(got) > 0 {
			t.Errorf("deleted %q", got)
		}
	})
	t.Run("root", func(t *testing.T) {
		if _, err := b.try(t.Context(), s, "/", del, func(o *Options) { o.DryRun = true }); err == nil {
			t.Error("everything would be deleted")
		}
	})
}
