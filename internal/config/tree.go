package config

import (
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// node is a value of a file: what its YAML means, with where each part stands.
// Anchors, aliases and merges (<<) are resolved. A node may be part of several
// others.
type node struct {
	at   place
	kind kind
	// text is a scalar as it was written, without quotes; scalar is what YAML
	// takes it for.
	text    string
	scalar  ast.NodeType
	entries []entry
	items   []*node
}

type kind int

const (
	null kind = iota
	scalar
	list
	mapping
)

// entry is a key of a mapping with its value.
type entry struct {
	name string
	// at is where the key stands.
	at place
	// origin is the path of the key where it is written, if that is not the
	// path it counts for: "defaults.plans.keep".
	origin string
	value  *node
}

// place is where something stands; line and column count from 1.
type place struct {
	file         string
	line, column int
}

// get returns the value under a key of a mapping, nil if there is none.
func (n *node) get(name string) *node {
	if e := n.find(name); e != nil {
		return e.value
	}
	return nil
}

func (n *node) find(name string) *entry {
	if n == nil {
		return nil
	}
	for i := range n.entries {
		if n.entries[i].name == name {
			return &n.entries[i]
		}
	}
	return nil
}

// maxDepth bounds how deep values may be nested: deeper than any valid file.
const maxDepth = 32

// planter makes nodes of the syntax tree of one file.
type planter struct {
	file     string
	anchors  map[string]*node
	problems Problems
}

// plant returns the tree of a file.
func plant(file string, root ast.Node) (*node, Problems) {
	p := &planter{file: file, anchors: map[string]*node{}}
	n := p.node(root, "", 0)
	return n, p.problems
}

func (p *planter) report(at place, key, text, fix string) {
	p.problems = append(p.problems, Problem{File: at.file, Line: at.line, Column: at.column, Key: key, Text: text, Fix: fix})
}

func (p *planter) place(n ast.Node) place {
	at := place{file: p.file}
	if n == nil {
		return at
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		at.line, at.column = t.Position.Line, t.Position.Column
	}
	return at
}

func (p *planter) node(from ast.Node, key string, depth int) *node {
	n := &node{at: p.place(from)}
	if from == nil {
		return n
	}
	if depth > maxDepth {
		p.report(n.at, key, "nested too deep", "")
		return n
	}
	switch from := from.(type) {
	case *ast.AnchorNode:
		value := p.node(from.Value, key, depth+1)
		p.anchors[from.Name.GetToken().Value] = value // from here on: nothing holds itself
		return value
	case *ast.AliasNode:
		name := from.Value.GetToken().Value
		value, ok := p.anchors[name]
		if !ok {
			p.report(n.at, key, "there is no anchor &"+name+" before here", "")
			return n
		}
		return value
	case *ast.TagNode:
		p.report(n.at, key, "has a YAML tag ("+from.Start.Value+")", "remove it")
	case *ast.SequenceNode:
		n.kind = list
		for i, item := range from.Values {
			n.items = append(n.items, p.node(item, itemPath(key, i), depth+1))
		}
	case *ast.MappingNode:
		n.kind = mapping
		if !from.IsFlowStyle && len(from.Values) > 0 { // the token is the colon
			n.at = p.place(from.Values[0].Key)
		}
		p.entries(n, from.Values, key, depth)
	case *ast.MappingValueNode: // a mapping of one entry, in block style
		n.kind, n.at = mapping, p.place(from.Key)
		p.entries(n, []*ast.MappingValueNode{from}, key, depth)
	default:
		n.text, n.scalar, n.kind = scalarOf(from)
	}
	return n
}

// scalarOf returns a single value as it was written, without quotes.
func scalarOf(from ast.Node) (text string, t ast.NodeType, k kind) {
	switch from := from.(type) {
	case *ast.StringNode:
		return from.Value, ast.StringType, scalar
	case *ast.LiteralNode:
		return from.Value.Value, ast.StringType, scalar
	case *ast.NullNode, *ast.CommentGroupNode:
		return "", ast.NullType, null
	default: // a number, true or false, .inf, .nan
		return from.GetToken().Value, from.Type(), scalar
	}
}

// entries adds the entries of a mapping to n: first those of one that is
// merged into it, then its own, which win. That none stands twice was seen to
// by the parser.
func (p *planter) entries(n *node, from []*ast.MappingValueNode, key string, depth int) {
	merged := 0
	for i, e := range from {
		if e.Key.IsMergeKey() {
			if i > 0 { // readers differ in which of two keys then wins
				p.report(p.place(e.Key), key, "merges (<<) after other keys", "move the line with << to the top")
			}
			p.merge(n, e, key, depth)
			merged = len(n.entries)
			continue
		}
		name := keyText(e.Key)
		own := entry{name: name, at: p.place(e.Key), value: p.node(e.Value, join(key, name), depth+1)}
		if at := slices.IndexFunc(n.entries[:merged], own.sameName); at >= 0 {
			n.entries[at] = own
			continue
		}
		n.entries = append(n.entries, own)
	}
}

func (e entry) sameName(other entry) bool { return e.name == other.name }

// merge adds the entries of a merged mapping.
func (p *planter) merge(n *node, e *ast.MappingValueNode, key string, depth int) {
	merged := p.node(e.Value, key, depth+1)
	if merged.kind != mapping {
		p.report(p.place(e.Key), key, "merges (<<) something that is not one mapping", "")
		return
	}
	n.entries = append(n.entries, merged.entries...)
}

func keyText(key ast.MapKeyNode) string {
	if t := key.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

// entriesOf returns the entries of a mapping. The parser gives a mapping of
// one entry in block style as that entry alone.
func entriesOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}
