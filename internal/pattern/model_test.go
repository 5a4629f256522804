package pattern

import (
	"path"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// modelMatch is the rule written down as plainly as it goes: try every number
// of "*" for the first "**", shortest first, and then every start.
func modelMatch(pattern, path []string) bool {
	for i, part := range pattern {
		if part != "**" && part != "" {
			continue
		}
		for n := 0; n+len(pattern)-1 <= len(path); n++ {
			var longer []string
			longer = append(longer, pattern[:i]...)
			for range n {
				longer = append(longer, "*")
			}
			if modelMatch(append(longer, pattern[i+1:]...), path) {
				return true
			}
		}
		return false
	}
	for start := range path {
		if modelMatchAt(pattern, path, start) {
			return true
		}
	}
	return false
}

func modelMatchAt(pattern, names []string, start int) bool {
	if len(pattern) == 0 || start+len(pattern) > len(names) {
		return false
	}
	for i, part := range pattern {
		name := names[start+i]
		ok, _ := path.Match(part, name)
		if (part == "/") != (name == "/") || part != "/" && !ok {
			return false
		}
	}
	return true
}

func modelList(patterns []string, path string) (matched bool) {
	for _, p := range patterns {
		if modelMatch(parts(p), split(nil, path)) {
			matched = !strings.HasPrefix(p, "!")
		}
	}
	return matched
}

func pathOf(component *rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		root := rapid.SampledFrom([]string{"", "/"}).Draw(t, "root")
		return root + strings.Join(rapid.SliceOfN(component, 1, 6).Draw(t, "components"), "/")
	})
}

func patternOf(component *rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return rapid.SampledFrom([]string{"", "", "!"}).Draw(t, "negation") + pathOf(component).Draw(t, "pattern")
	})
}

var (
	anyPath    = pathOf(rapid.SampledFrom([]string{"a", "b", "ab", "ba", "é"}))
	anyPattern = patternOf(rapid.SampledFrom([]string{"a", "b", "a*", "*b", "*", "**", "**", "?", "[ab]", "*a*", ".."}))
)

func TestMatchAgreesWithModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		patterns := rapid.SliceOfN(anyPattern, 1, 4).Draw(t, "patterns")
		path := anyPath.Draw(t, "path")
		list, err := Parse(patterns)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := list.Match(path), modelList(patterns, path); got != want {
			t.Fatalf("%q.Match(%q) = %v, model %v", patterns, path, got, want)
		}
	})
}

// What a walk relies on: it finds every match when it goes down only where
// ChildMayMatch says so, and (without negation) what is matched stays matched
// below.
func TestWalkLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := strings.TrimPrefix(anyPattern.Draw(t, "pattern"), "!")
		path := anyPath.Draw(t, "path")
		child := path + "/" + rapid.SampledFrom([]string{"a", "b", "ab"}).Draw(t, "child")
		list, err := Parse([]string{p})
		if err != nil {
			t.Fatal(err)
		}
		if list.Match(child) && !list.ChildMayMatch(path) {
			t.Fatalf("%q matches %q, and nothing below %q may match", p, child, path)
		}
		if list.Match(path) && !list.Match(child) {
			t.Fatalf("%q matches %q and not %q", p, path, child)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("foo/**/bar", "/a/foo/x/bar/y")
	f.Add("!/[a-c]*/\\*", "/b/*")
	f.Add("**/**/**", "a")
	f.Add("/", "/")
	f.Add("a*[", "abc")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		for _, parse := range []func([]string) (*List, error){Parse, ParseFold} {
			list, err := parse([]string{"**", pattern})
			if err != nil {
				continue
			}
			list.Match(path)
			list.ChildMayMatch(path)
		}
	})
}
