package pattern

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

// SyntaxError says that a pattern is malformed. It wraps
// [path.ErrBadPattern].
type SyntaxError struct {
	Pattern   string // as the user wrote it
	Component string // the part between slashes that is wrong
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("pattern %q: %q is not a valid wildcard (is a [ not closed, or a \\ last?)", e.Pattern, e.Component)
}

func (e *SyntaxError) Unwrap() error { return path.ErrBadPattern }

// pattern is a compiled pattern: the runs of components that its "**"s leave
// between and around them.
//
//	/a/*.go/**/b  →  segments [/ a *.go] [b]
//	foo/**        →  segments [foo] []
type pattern struct {
	segments [][]component // at least one; len-1 is the number of "**"
	width    int           // components in all segments together
	absolute bool          // begins at the root: segments[0][0] is "/"
	negated  bool
}

// check returns a *SyntaxError if source cannot be compiled.
func check(source string) error {
	for _, name := range parts(source) {
		// Unlike filepath.Match, path.Match reads a wildcard to its end even
		// when the name has stopped matching, so no mistake is left to be
		// found in the middle of a backup.
		if _, err := path.Match(name, ""); err != nil {
			return &SyntaxError{Pattern: source, Component: name}
		}
	}
	return nil
}

// compile prepares a pattern that check has passed.
func compile(source string) pattern {
	names := parts(source)
	p := pattern{
		segments: [][]component{nil},
		absolute: names[0] == rootName,
		negated:  strings.HasPrefix(source, "!"),
	}
	for _, name := range names {
		// Only the root alone splits into an empty name, and the pattern "/"
		// means the same as "/**".
		if name == "**" || name == "" {
			p.segments = append(p.segments, nil)
			continue
		}
		last := len(p.segments) - 1
		p.segments[last] = append(p.segments[last], compileComponent(name))
		p.width++
	}
	return p
}

func parts(source string) []string {
	return split(nil, filepath.Clean(strings.TrimPrefix(source, "!")))
}

// rootName is the component that begins an absolute path. No wildcard is ever
// compared with it.
const rootName = "/"

// split appends the components of file, which is not empty, to names.
func split(names []string, file string) []string {
	file = filepath.ToSlash(file)
	if file[0] == '/' {
		names = append(names, rootName)
		file = file[1:]
	}
	for {
		name, rest, more := strings.Cut(file, "/")
		names = append(names, name)
		if !more {
			return names
		}
		file = rest
	}
}
