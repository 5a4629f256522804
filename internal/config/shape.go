package config

import (
	"encoding"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// later is the value of the struct tag "config" on fields whose key is part
// of the configuration's design but which this version does not act on.
const later = "later"

// maxDepth bounds how deep an alias may lead: deeper than any valid file.
const maxDepth = 32

// checkShape compares the tree with a Go type: every key must be one of the
// type's, every value of its kind. No value is ever quoted in a Problem, for
// it may be a secret that was put where a reference belongs.
func checkShape(root ast.Node, t reflect.Type) Problems {
	s := &shape{anchors: map[string]ast.Node{}}
	s.check(root, t, "", 0)
	return s.problems
}

type shape struct {
	anchors  map[string]ast.Node
	problems Problems
}

func (s *shape) report(node ast.Node, key, text, fix string) {
	p := Problem{Key: key, Text: text, Fix: fix}
	if t := node.GetToken(); t != nil && t.Position != nil {
		p.Line, p.Column = t.Position.Line, t.Position.Column
	}
	s.problems = append(s.problems, p)
}

func (s *shape) check(node ast.Node, t reflect.Type, key string, depth int) {
	if depth > maxDepth {
		s.report(node, key, "nested too deep", "")
		return
	}
	node = s.resolve(node)
	if node == nil || node.Type() == ast.NullType {
		return
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		s.checkText(node, t, key)
	case isScalar(node) && reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.InterfaceUnmarshaler]()):
		// A short form of t: its validation has the rest.
	case t.Kind() == reflect.Struct:
		s.checkStruct(node, t, key, depth)
	case t.Kind() == reflect.Map:
		s.eachEntry(node, key, func(name string, entry *ast.MappingValueNode) {
			s.check(entry.Value, t.Elem(), join(key, name), depth+1)
		})
	case t.Kind() == reflect.Slice:
		s.checkList(node, t, key, depth)
	default:
		s.checkScalar(node, t, key)
	}
}

// resolve follows anchors and aliases to the value they stand for.
func (s *shape) resolve(node ast.Node) ast.Node {
	for range maxDepth {
		switch n := node.(type) {
		case *ast.AnchorNode:
			s.anchors[n.Name.GetToken().Value] = n.Value
			node = n.Value
		case *ast.AliasNode:
			node = s.anchors[n.Value.GetToken().Value]
		default:
			return node
		}
	}
	return nil
}

func (s *shape) checkStruct(node ast.Node, t reflect.Type, key string, depth int) {
	fields := fieldsOf(t)
	s.eachEntry(node, key, func(name string, entry *ast.MappingValueNode) {
		field, known := fields[name]
		switch {
		case !known:
			s.report(entry.Key, join(key, name), "unknown key", suggest(name, activeKeys(fields)))
		case field.Tag.Get("config") == later:
			s.report(entry.Key, join(key, name), "not supported by this version of holdfast", "remove it: nothing would act on it")
		default:
			s.check(entry.Value, field.Type, join(key, name), depth+1)
		}
	})
}

// eachEntry calls visit for every entry of a mapping, those of a merged one
// ("<<") included.
func (s *shape) eachEntry(node ast.Node, key string, visit func(string, *ast.MappingValueNode)) {
	entries, ok := entriesOf(node)
	if !ok {
		s.report(node, key, "wants a mapping (key: value)", "")
		return
	}
	for i, entry := range entries {
		if entry.Key.IsMergeKey() {
			if i > 0 { // the YAML library lets the later of two win, the standard the plain one
				s.report(entry.Key, key, "merges (<<) after other keys", "move the line with << to the top")
			}
			if merged := s.resolve(entry.Value); merged != nil {
				s.eachPlainEntry(merged, key, visit)
			}
			continue
		}
		visit(keyText(entry.Key), entry)
	}
}

// eachPlainEntry is eachEntry for a merged mapping, which may not merge
// another one: that could go round in circles.
func (s *shape) eachPlainEntry(node ast.Node, key string, visit func(string, *ast.MappingValueNode)) {
	entries, ok := entriesOf(node)
	if !ok {
		s.report(node, key, "merges (<<) something that is not one mapping", "")
		return
	}
	for _, entry := range entries {
		if entry.Key.IsMergeKey() {
			s.report(entry.Key, key, "merges (<<) a mapping that itself merges another", "")
			continue
		}
		visit(keyText(entry.Key), entry)
	}
}

func (s *shape) checkList(node ast.Node, t reflect.Type, key string, depth int) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		s.report(node, key, "wants a list", "write it as [a, b]")
		return
	}
	for i, item := range list.Values {
		s.check(item, t.Elem(), itemPath(key, i), depth+1)
	}
}

func (s *shape) checkText(node ast.Node, t reflect.Type, key string) {
	text, ok := scalarText(node)
	if !ok {
		s.report(node, key, "wants a single value", "")
		return
	}
	u, _ := reflect.New(t).Interface().(encoding.TextUnmarshaler)
	if err := u.UnmarshalText([]byte(text)); err != nil {
		s.report(node, key, err.Error(), "")
	}
}

func (s *shape) checkScalar(node ast.Node, t reflect.Type, key string) {
	ok := isScalar(node)
	switch t.Kind() {
	case reflect.String:
		if !ok {
			s.report(node, key, "wants a text", "")
		}
	case reflect.Bool:
		if node.Type() != ast.BoolType {
			s.report(node, key, "wants true or false", "")
		}
	case reflect.Int:
		if node.Type() != ast.IntegerType {
			s.report(node, key, "wants a whole number", "")
		}
	case reflect.Float64:
		if node.Type() != ast.IntegerType && node.Type() != ast.FloatType {
			s.report(node, key, "wants a number", "")
		}
	default:
		panic("config: no rule for values of " + t.String())
	}
}

func isScalar(node ast.Node) bool {
	_, ok := scalarText(node)
	return ok
}

// scalarText returns a single value as it was written, without quotes.
func scalarText(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return node.GetToken().Value, true
	}
	return "", false
}

// entriesOf returns the entries of a mapping. The parser gives a mapping of
// one entry in block style as that entry alone.
func entriesOf(node ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func keyText(key ast.MapKeyNode) string {
	if t := key.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// fieldsOf maps the keys of a struct to its fields.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	fields := make(map[string]reflect.StructField, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			panic("config: field without a yaml tag: " + t.String() + "." + f.Name)
		}
		fields[name] = f
	}
	return fields
}

// activeKeys are the keys that may be suggested to a user.
func activeKeys(fields map[string]reflect.StructField) []string {
	var keys []string
	for name, f := range fields {
		if f.Tag.Get("config") != later {
			keys = append(keys, name)
		}
	}
	slices.Sort(keys)
	return keys
}
