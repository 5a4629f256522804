package pattern

import (
	"path"
	"strings"
)

// component matches one name of a path. The plain shapes that nearly all
// patterns have ("node_modules", "*", "*.o", "cache-*") are told apart when
// the pattern is compiled and cost one comparison.
type component struct {
	shape shape
	text  string // literal, prefix, suffix, or the whole wildcard
}

type shape uint8

const (
	literal  shape = iota // name
	anything              // *
	suffix                // *.o
	prefix                // cache-*
	wildcard              // all else
)

func compileComponent(name string) component {
	const meta = `*?[\`
	switch {
	case !strings.ContainsAny(name, meta):
		return component{literal, name}
	case name == "*":
		return component{anything, ""}
	case name[0] == '*' && !strings.ContainsAny(name[1:], meta):
		return component{suffix, name[1:]}
	case name[len(name)-1] == '*' && !strings.ContainsAny(name[:len(name)-1], meta):
		return component{prefix, name[:len(name)-1]}
	default:
		return component{wildcard, name}
	}
}

func (c *component) match(name string) bool {
	switch c.shape {
	case literal:
		return name == c.text
	case anything:
		return true
	case suffix:
		return strings.HasSuffix(name, c.text)
	case prefix:
		return strings.HasPrefix(name, c.text)
	default:
		ok, err := path.Match(c.text, name)
		return ok && err == nil // check has ruled the error out
	}
}
