// Package pattern decides which paths a backup leaves out and a restore takes
// in: the patterns behind --exclude, --include, their case-insensitive twins
// and their pattern files.
//
// The rules are restic's (its manual, "Excluding Files", and the behaviour of
// v0.18.1), so that an exclude file keeps its meaning when it moves to
// holdfast:
//
//   - A pattern is a path whose components may hold the wildcards of
//     [path.Match]. None of them crosses a "/".
//   - It is compared with whole components of the full path. A leading "/"
//     anchors it at the root; any other pattern may begin anywhere.
//   - It matches a path as soon as its last component is matched: what matches
//     a directory matches everything below it. A trailing "/" means nothing.
//   - "**" alone between slashes stands for any number of directories, none
//     included.
//   - A leading "!" takes back what earlier patterns of the list matched: of
//     all patterns that match a path, the last one decides.
//
// A List is compiled once and may then be used by many goroutines. Matching
// takes time polynomial in the lengths of pattern and path whatever the
// pattern, and no memory for a path of up to 32 components (a
// case-insensitive list allocates when a path holds upper case).
package pattern

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// List is an ordered list of compiled patterns. The zero value and nil match
// nothing.
type List struct {
	patterns []pattern
	folded   bool // paths are lower-cased before they are matched
}

// Parse compiles patterns, case-sensitively, in the order given. Empty
// patterns are skipped. The error joins one *SyntaxError for every pattern
// that is malformed.
func Parse(patterns []string) (*List, error) {
	return compileAll(patterns, func(s string) string { return s }, false)
}

// ParseFold is Parse for a list that ignores letter case, in patterns and in
// paths.
func ParseFold(patterns []string) (*List, error) {
	return compileAll(patterns, lower, true)
}

func compileAll(sources []string, fold func(string) string, folded bool) (*List, error) {
	list := &List{folded: folded}
	var bad []error
	for _, source := range sources {
		if source == "" {
			continue
		}
		if err := check(source); err != nil {
			bad = append(bad, err)
			continue
		}
		list.patterns = append(list.patterns, compile(fold(source)))
	}
	if len(bad) > 0 {
		return nil, errors.Join(bad...)
	}
	return list, nil
}

// Empty reports whether the list holds no pattern.
func (l *List) Empty() bool { return l == nil || len(l.patterns) == 0 }

// Match reports whether path is matched: the last pattern that matches it or
// one of its parents is not a negated one. The path is cleaned and, for
// absolute patterns to apply, absolute. The empty path is never matched.
func (l *List) Match(path string) bool {
	if l.Empty() || path == "" {
		return false
	}
	var room [usualDepth]string
	names := split(room[:0], l.fold(path))
	for i := len(l.patterns) - 1; i >= 0; i-- {
		if p := &l.patterns[i]; p.match(names) {
			return !p.negated
		}
	}
	return false
}

// ChildMayMatch reports whether something below the directory at path may be
// matched, so that a walk in search of matches has to go down into it. It
// errs on the side of true: a pattern that is not anchored may match anywhere.
// It does not promise that path itself is matched.
func (l *List) ChildMayMatch(path string) bool {
	if l.Empty() || path == "" {
		return false
	}
	var room [usualDepth]string
	names := split(room[:0], l.fold(path))
	for i := len(l.patterns) - 1; i >= 0; i-- {
		p := &l.patterns[i]
		if p.negated {
			if p.match(names) {
				return false // taken back with everything below
			}
			continue
		}
		if p.childMayMatch(names) {
			return true
		}
	}
	return false
}

// usualDepth is how many path components fit in the room on the stack. Deeper
// paths are matched too, at the price of an allocation.
const usualDepth = 32

func (l *List) fold(path string) string {
	if !l.folded {
		return path
	}
	return lower(path)
}

// lower is strings.ToLower that leaves bytes which are no UTF-8 as they are:
// names that differ in such a byte are different names.
func lower(s string) string {
	if utf8.ValidString(s) {
		return strings.ToLower(s)
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError {
			b.WriteString(s[:size])
		} else {
			b.WriteRune(unicode.ToLower(r))
		}
		s = s[size:]
	}
	return b.String()
}

// Lists is a union: it matches what any of its lists matches. Each list keeps
// its own order, so a "!" takes back only matches of its own list. This is how
// the case-sensitive and the case-insensitive patterns of one command combine.
type Lists []*List

// Match reports whether any list matches path.
func (ls Lists) Match(path string) bool {
	for _, l := range ls {
		if l.Match(path) {
			return true
		}
	}
	return false
}

// ChildMayMatch reports whether any list may match something below path.
func (ls Lists) ChildMayMatch(path string) bool {
	for _, l := range ls {
		if l.ChildMayMatch(path) {
			return true
		}
	}
	return false
}
