package pattern

import (
	"errors"
	"path"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		name     string
		patterns []string
		match    []string
		not      []string
	}{
		{
			name:     "a bare name matches a whole component, and all below it",
			patterns: []string{"foo"},
			match:    []string{"/dir1/foo/dir2/file", "/dir/foo", "foo", "/foo"},
			not:      []string{"/dir/foobar", "barfoo", "/dir/Foo", "/"},
		},
		{
			name:     "a leading slash anchors",
			patterns: []string{"/bin"},
			match:    []string{"/bin", "/bin/bash"},
			not:      []string{"/usr/bin/restic", "bin/bash", "/binary"},
		},
		{
			name:     "a trailing slash means nothing",
			patterns: []string{"/srv/cache/", "tmp/"},
			match:    []string{"/srv/cache", "/srv/cache/x", "/a/tmp", "/a/tmp/b"},
			not:      []string{"/srv", "/srv/cached"},
		},
		{
			name:     "a wildcard stays inside its component",
			patterns: []string{"b*ash"},
			match:    []string{"/bin/bash", "/bin/bash/x", "/bash", "/brash"},
			not:      []string{"/bin/ash", "/b/ash"},
		},
		{
			name:     "wildcards of every shape",
			patterns: []string{"*.o", "~*", "?", "[xy]z", `st\*r`, "a*b*c", "[^a-y]q"},
			match:    []string{"/w/main.o", "/.o", "/~lock", "/k", "/yz", "/st*r", "/abc", "/aXbYc", "/zq"},
			not:      []string{"/main.c", "/lock~", "/kk", "/zz", "/star", "/acb", "/bq"},
		},
		{
			name:     "several components match side by side, anywhere",
			patterns: []string{"bar/*.go"},
			match:    []string{"/foo/bar/test.go", "bar/x.go", "/bar/x.go/child", "/bar/bar/x.go"},
			not:      []string{"/foo/bar", "/bar/baz/x.go", "/x.go"},
		},
		{
			name:     "an anchored wildcard needs something below",
			patterns: []string{"/foo/*"},
			match:    []string{"/foo/baz", "/foo/baz/qux"},
			not:      []string{"/foo", "/a/foo/baz"},
		},
		{
			name:     "double star: any number of directories",
			patterns: []string{"foo/**/bar"},
			match:    []string{"/dir1/foo/dir2/bar/file", "/foo/bar/file", "/tmp/foo/bar", "/foo/x/y/z/bar"},
			not:      []string{"/foo", "/bar/foo", "/foo/x/y", "/food/bar"},
		},
		{
			name:     "double star at the end matches the directory as well",
			patterns: []string{"/foo/**"},
			match:    []string{"/foo", "/foo/a", "/foo/a/b"},
			not:      []string{"/", "/a", "/a/foo"},
		},
		{
			name:     "double star at the start",
			patterns: []string{"**/foo/x"},
			match:    []string{"/foo/x", "/a/b/foo/x/y", "foo/x"},
			not:      []string{"/foo/a/x"},
		},
		{
			name:     "two double stars set one component aside, as in restic",
			patterns: []string{"/a/**/b/**"},
			match:    []string{"/a/b/c", "/a/x/b/c", "/a/x/y/b/c"},
			not:      []string{"/a/b", "/a/x/b", "/a/x/y/b", "/b/a/b/c"},
		},
		{
			name:     "double star inside a name is an ordinary star",
			patterns: []string{"foo**/bar"},
			match:    []string{"/foo1/bar"},
			not:      []string{"/foo1/x/bar"},
		},
		{name: "everything", patterns: []string{"**"}, match: []string{"/", "/a", "a/b"}},
		{name: "the root", patterns: []string{"/"}, match: []string{"/", "/a/b"}, not: []string{"a"}},
		{
			name:     "patterns are cleaned",
			patterns: []string{"/foo//./x/../bar"},
			match:    []string{"/foo/bar"},
			not:      []string{"/foo/x/bar"},
		},
		{
			name: "the example of a home directory",
			patterns: []string{
				"/home/bob/*", "!/home/bob/Documents", "!/home/bob/code", "node_modules", "*~",
			},
			match: []string{"/home/bob/Music", "/home/bob/.ssh/id", "/home/bob/code/web/node_modules/x", "/home/bob/Documents/a~"},
			not:   []string{"/home/bob", "/home/bob/Documents", "/home/bob/Documents/cv.pdf", "/home/bob/code/main.go", "/home/eve"},
		},
		{
			name:     "the last match wins",
			patterns: []string{"*.log", "!keep.log", "/tmp/**"},
			match:    []string{"/a.log", "/tmp/keep.log"},
			not:      []string{"/keep.log", "/a.txt"},
		},
		{name: "a negation alone matches nothing", patterns: []string{"!*.go", "!"}, not: []string{"/a.go", "/b", "."}},
		{name: "empty patterns are skipped", patterns: []string{"", "x", ""}, match: []string{"/x"}, not: []string{"/y"}},
		{name: "no pattern", not: []string{"/", "/a", "a"}},
		{name: "names that are no UTF-8", patterns: []string{"\xff*"}, match: []string{"/a/\xff\xfe"}, not: []string{"/a/\xfe"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list := parse(t, tt.patterns...)
			for _, p := range tt.match {
				if !list.Match(p) {
					t.Errorf("%q does not match %q", tt.patterns, p)
				}
			}
			for _, p := range append(tt.not, "") {
				if list.Match(p) {
					t.Errorf("%q matches %q", tt.patterns, p)
				}
			}
		})
	}
}

func TestChildMayMatch(t *testing.T) {
	tests := []struct {
		patterns []string
		may, not []string
	}{
		{[]string{"*.go"}, []string{"/", "/a/b/c"}, nil},
		{[]string{"/srv/www/*.html"}, []string{"/", "/srv", "/srv/www", "/srv/www/a.html", "/srv/www/a.html/b"}, []string{"/home", "/srv/db", "srv"}},
		{[]string{"/a/**/z"}, []string{"/a", "/a/b", "/a/b/c/d"}, []string{"/b"}},
		{[]string{"/*/bar"}, []string{"/foo", "/foo/bar/x"}, []string{"/foo/baz"}},
		{[]string{"/**"}, []string{"/", "/x"}, nil},
		{[]string{"/a/b", "/c/d"}, []string{"/a", "/c"}, []string{"/a/d", "/e"}},
		{[]string{"/a/*", "!/a/b"}, []string{"/a", "/a/c"}, []string{"/a/b", "/a/b/c"}},
		{[]string{"/a/*", "!/a/b", "/a/b/c"}, []string{"/a/b", "/a/b/c"}, []string{"/a/b/d"}},
		{[]string{"!/a"}, nil, []string{"/", "/a"}},
		{nil, nil, []string{"/", "/a"}},
	}
	for _, tt := range tests {
		list := parse(t, tt.patterns...)
		for _, p := range tt.may {
			if !list.ChildMayMatch(p) {
				t.Errorf("%q: nothing below %q may match", tt.patterns, p)
			}
		}
		for _, p := range append(tt.not, "") {
			if list.ChildMayMatch(p) {
				t.Errorf("%q: something below %q may match", tt.patterns, p)
			}
		}
	}
}

// Two names in an old encoding that differ in one letter are two names.
func TestFoldOfNamesThatAreNoUTF8(t *testing.T) {
	list, err := ParseFold([]string{"CAF\xe9", "\ufffd*"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"/caf\xe9": true, "/Caf\xe9": true, "/caf\xe8": false, "/\xe8x": false, "/\ufffdx": true} {
		if list.Match(name) != want {
			t.Errorf("%q: matched %v", name, !want)
		}
	}
}

func TestFold(t *testing.T) {
	list, err := ParseFold([]string{"*.JPG", "/Fotos/ÄRGER", "!Keep.jpg"})
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]bool{
		"/a/x.jpg": true, "/a/X.JpG": true, "/fotos/ärger/y": true, "/FOTOS/Ärger": true,
		"/a/KEEP.JPG": false, "/a/x.png": false,
	} {
		if got := list.Match(p); got != want {
			t.Errorf("Match(%q) = %v", p, got)
		}
	}
	if !list.ChildMayMatch("/FOTOS") {
		t.Error("nothing below /FOTOS may match")
	}
}

func TestListsKeepTheirNegationsApart(t *testing.T) {
	fold, err := ParseFold([]string{"*.TMP", "!a.tmp"})
	if err != nil {
		t.Fatal(err)
	}
	lists := Lists{fold, parse(t, "/x/*"), nil}
	for p, want := range map[string]bool{"/b.tmp": true, "/a.tmp": false, "/x/a.tmp": true, "/y": false} {
		if got := lists.Match(p); got != want {
			t.Errorf("Match(%q) = %v", p, got)
		}
	}
	if !lists.ChildMayMatch("/x") || (Lists{parse(t, "/x/*")}).ChildMayMatch("/y") || (Lists{}).ChildMayMatch("/x") {
		t.Error("ChildMayMatch of a union is not the union of its lists")
	}
}

func TestParseNamesEveryBadPattern(t *testing.T) {
	_, err := Parse([]string{"*.go", "src/[a-/x", "ok", `!tail\`, "b*-[x"})
	if !errors.Is(err, path.ErrBadPattern) {
		t.Fatalf("err = %v", err)
	}
	for _, want := range []string{`"src/[a-/x"`, `"[a-"`, `"!tail\\"`, `"b*-[x"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "ok") {
		t.Errorf("%q blames a good pattern", err)
	}
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || syntax.Pattern != "src/[a-/x" || syntax.Component != "[a-" {
		t.Errorf("first error is %+v", syntax)
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	list := parse(t, usualPatterns...)
	n := testing.AllocsPerRun(100, func() {
		list.Match(usualPath)
		list.ChildMayMatch(usualPath)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Patterns that take exponential time when every way to split a path among
// the "**" is tried.
func TestManyDoubleStarsStayFast(t *testing.T) {
	deep := "/" + strings.Repeat("a/", 400)
	for _, p := range []string{
		strings.Repeat("**/a/", 60) + "b",
		strings.Repeat("**/", 200) + "b",
		"/" + strings.Repeat("a/**/", 60) + "b",
		strings.Repeat("**/*a*/", 50) + "b",
		strings.Repeat("a*", 100) + "b",
	} {
		if parse(t, p).Match(deep + "a") {
			t.Errorf("%.30q... matches", p)
		}
	}
}

func parse(t testing.TB, patterns ...string) *List {
	t.Helper()
	list, err := Parse(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

var usualPatterns = []string{
	"*~", "*.o", "*.pyc", "node_modules", ".cache", "/proc", "/sys", "/dev", "/home/*/.local/share/Trash",
	"*.tmp", "/var/**/*.log", "!/var/lib/keep.log", "[Tt]humbs.db", "build/**/out",
}

const usualPath = "/home/bob/code/web/src/components/header/index.tsx"

func BenchmarkMatch(b *testing.B) {
	list := parse(b, usualPatterns...)
	b.ReportAllocs()
	for b.Loop() {
		if list.Match(usualPath) {
			b.Fatal("matched")
		}
	}
}
