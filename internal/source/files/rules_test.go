package files

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"holdfast/internal/source"
)

// suffix excludes paths that end with it.
type suffix string

func (s suffix) Match(path string) bool { return strings.HasSuffix(path, string(s)) }

func TestRules(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "a.txt", "a.tmp", "tmp.d.tmp/x", "sub/b.tmp", "sub/b.txt",
		"cache/CACHEDIR.TAG", "cache/data", "cache/deep/data",
		"fake/CACHEDIR.TAG", "fake/data",
		"marked/.nobackup", "marked/data", "forbidden/data", "big")
	must(t, os.WriteFile(dir+"/cache/CACHEDIR.TAG", []byte(CacheTag.Header+"\n# made by a test"), 0o644))
	must(t, os.WriteFile(dir+"/fake/CACHEDIR.TAG", []byte("Sig"), 0o644))
	must(t, os.Truncate(dir+"/big", 1000))
	forbidden, err := Identify(dir + "/forbidden")
	must(t, err)
	everything := slices.Sorted(maps.Keys(walkHere(t, dir, Config{})))

	for _, c := range []struct {
		name  string
		rules Rules
		gone  []string
		warns int
	}{
		{name: "none"},
		{
			name: "pattern", rules: Rules{Patterns: []Matcher{suffix(".tmp")}},
			gone: []string{"a.tmp", "sub/b.tmp", "tmp.d.tmp", "tmp.d.tmp/x"},
		},
		{
			name: "pattern on absolute path", rules: Rules{Patterns: []Matcher{suffix(dir + "/sub/b.txt")}},
			gone: []string{"sub/b.txt"},
		},
		{
			name: "cache tag", rules: Rules{IfPresent: []Tag{CacheTag}}, warns: 1,
			gone: []string{"cache/data", "cache/deep", "cache/deep/data"},
		},
		{name: "tag by name", rules: Rules{IfPresent: []Tag{{Name: ".nobackup"}}}, gone: []string{"marked/data"}},
		{name: "larger than", rules: Rules{LargerThan: 999}, gone: []string{"big"}},
		{name: "not larger than", rules: Rules{LargerThan: 1000}},
		{name: "forbidden", rules: Rules{Forbidden: []FileID{forbidden}}, gone: []string{"forbidden", "forbidden/data"}},
		{name: "one file system, none other", rules: Rules{OneFileSystem: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var mu sync.Mutex
			warns, told := 0, 0
			got := walkHere(t, dir, Config{
				Rules:    c.rules,
				Warn:     func(string, error) { mu.Lock(); warns++; mu.Unlock() },
				Excluded: func(string, string) { mu.Lock(); told++; mu.Unlock() },
			})
			want := slices.DeleteFunc(slices.Clone(everything), func(p string) bool { return slices.Contains(c.gone, p) })
			if kept := slices.Sorted(maps.Keys(got)); !slices.Equal(kept, want) {
				t.Errorf("kept %q, want %q", kept, want)
			}
			if warns != c.warns || (told > 0) != (len(c.gone) > 0) {
				t.Errorf("%d warnings, want %d; told of %d excluded", warns, c.warns, told)
			}
		})
	}
}

func walkHere(t *testing.T, dir string, cfg Config) map[string]seen {
	t.Helper()
	t.Chdir(dir)
	cfg.Paths = []string{"."}
	return walkAll(t, cfg)
}

func TestForbiddenRootIsExcludedUnderAnyName(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "repo/data", "other/")
	must(t, os.Symlink("../repo", dir+"/other/link"))
	id, err := Identify(dir + "/other/link") // follows
	must(t, err)
	all := walkAll(t, Config{Paths: []string{dir + "/repo", dir + "/other"}, Rules: Rules{Forbidden: []FileID{id}}})
	base := strings.TrimPrefix(dir, "/") + "/"
	if _, ok := all[base+"repo"]; ok {
		t.Error("the forbidden root is there")
	}
	if got := all[base+"other/link"].node.LinkTarget; got != "../repo" {
		t.Errorf("a symlink to it should be kept as such, links to %q", got)
	}
}

func TestParseTag(t *testing.T) {
	for text, want := range map[string]Tag{
		"name": {Name: "name"}, "name:": {Name: "name"}, "n:head:er": {Name: "n", Header: "head:er"},
	} {
		if got, err := ParseTag(text); err != nil || got != want {
			t.Errorf("%q is %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", ":header", "a" + string(filepath.Separator) + "b"} {
		if got, err := ParseTag(text); err == nil {
			t.Errorf("%q is %+v, want an error", text, got)
		}
	}
}

func TestBadRulesAreRefused(t *testing.T) {
	for _, rules := range []Rules{{LargerThan: -1}, {Forbidden: []FileID{{}}}} {
		if _, err := New(Config{Paths: []string{"."}, Rules: rules}); err == nil {
			t.Errorf("%+v was taken", rules)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("no paths were taken")
	}
	if errors.Is(source.ErrExcluded, source.ErrChanged) {
		t.Error("excluded and changed are one")
	}
}
