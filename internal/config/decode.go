package config

import (
	"cmp"
	"errors"
	"reflect"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// decode turns the text into a checked Config: first the syntax, then the
// keys and kinds of values (shape.go), then what they mean (validate.go).
// A later step runs only when the ones before found nothing.
func decode(data []byte) (*Config, Problems) {
	root, problems := parse(data)
	if len(problems) > 0 {
		return nil, problems
	}
	c := &Config{}
	if root == nil {
		return c, nil
	}
	if problems := checkShape(root, reflect.TypeFor[Config]()); len(problems) > 0 {
		return nil, sorted(problems)
	}
	// The shape is right, so this finds nothing but what YAML itself forbids.
	// A key that stands twice was found by the parser; what is left to allow
	// is a key that overrides one of a merged mapping.
	if err := yaml.NodeToValue(root, c, yaml.Strict(), yaml.AllowDuplicateMapKey()); err != nil {
		return nil, Problems{problemOf(err)}
	}
	if problems := c.validate(positionsOf(root)); len(problems) > 0 {
		return nil, sorted(problems)
	}
	return c, nil
}

// parse returns the root of the only document, or nil for a file that holds
// nothing but comments.
func parse(data []byte) (ast.Node, Problems) {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, Problems{problemOf(err)}
	}
	var root ast.Node
	for _, doc := range file.Docs {
		if isEmpty(doc.Body) {
			continue
		}
		if root != nil {
			at := doc.Body.GetToken().Position
			return nil, Problems{{
				Line: at.Line, Column: at.Column,
				Text: "a second YAML document begins here", Fix: "join the two, without a line \"---\"",
			}}
		}
		root = doc.Body
	}
	return root, nil
}

func isEmpty(node ast.Node) bool {
	if node == nil {
		return true
	}
	t := node.Type()
	return t == ast.NullType || t == ast.CommentType || t == ast.CommentGroupType
}

// problemOf keeps the place that the YAML library gives with its errors, but
// not the excerpt of the file, which is noise in a log.
func problemOf(err error) Problem {
	var ye yaml.Error
	if !errors.As(err, &ye) {
		return Problem{Text: err.Error()}
	}
	p := Problem{Text: ye.GetMessage()}
	if t := ye.GetToken(); t != nil && t.Position != nil {
		p.Line, p.Column = t.Position.Line, t.Position.Column
	}
	return p
}

// sorted puts problems into the order of the file.
func sorted(ps Problems) Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Key, b.Key))
	})
	return ps
}
