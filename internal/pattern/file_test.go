package pattern

import (
	"slices"
	"strings"
	"testing"
)

func environment(name string) (string, bool) {
	value, ok := map[string]string{"HOME": "/home/bob", "USER": "bob", "EMPTY": ""}[name]
	return value, ok
}

func TestParseFile(t *testing.T) {
	tests := []struct {
		name, data  string
		want, unset []string
	}{
		{
			name: "comments, blank lines, white space, line ends",
			data: "# exclude go-files\n*.go\r\n\n   \n\tfoo/**/bar \n  # indented comment\nlast",
			want: []string{"*.go", "foo/**/bar", "last"},
		},
		{name: "spaces inside stay", data: "foo bar star.txt\n", want: []string{"foo bar star.txt"}},
		{name: "a # later is not a comment", data: "a#b\n", want: []string{"a#b"}},
		{
			name: "variables",
			data: "/home/$USER/foo\n${HOME}/x\n!$HOME/code\nprice$$5\n~/x\n",
			want: []string{"/home/bob/foo", "/home/bob/x", "!/home/bob/code", "price$5", "~/x"},
		},
		{name: "a set but empty variable", data: "$EMPTY\nx$EMPTY\n", want: []string{"x"}},
		{
			name:  "unset variables are named",
			data:  "$CACHE/*\n$CACHE/x\n$NOPE\n",
			want:  []string{"/*", "/x"},
			unset: []string{"CACHE", "NOPE"},
		},
		{name: "UTF-8 with a byte order mark", data: "\xef\xbb\xbfé\n", want: []string{"é"}},
		{name: "UTF-16, little endian", data: "\xff\xfea\x00\xe9\x00\n\x00b\x00", want: []string{"aé", "b"}},
		{name: "UTF-16, big endian", data: "\xfe\xff\x00a\x00\n\xd8\x3d\xde\x00", want: []string{"a", "😀"}},
		{name: "Latin-1 stays as it is", data: "\xe9\n", want: []string{"\xe9"}},
		{name: "a very long line", data: strings.Repeat("x", 1<<17), want: []string{strings.Repeat("x", 1<<17)}},
		{name: "nothing", data: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ParseFile([]byte(tt.data), environment)
			if !slices.Equal(got.Patterns, tt.want) {
				t.Errorf("patterns %.80q, want %.80q", got.Patterns, tt.want)
			}
			if !slices.Equal(got.Unset, tt.unset) {
				t.Errorf("unset %q, want %q", got.Unset, tt.unset)
			}
		})
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add([]byte("# c\n*.go\n$HOME/x\n${"))
	f.Add([]byte("\xff\xfea"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := ParseFile(data, environment)
		if slices.Contains(file.Patterns, "") {
			t.Error("an empty pattern")
		}
		if list, err := Parse(file.Patterns); err == nil {
			list.Match("/home/bob/x")
		}
	})
}
