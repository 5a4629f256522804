package config

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// positions tells where each key of a file stands, by its path as in
// Problem.Key.
type positions map[string]*token.Position

func positionsOf(root ast.Node) positions {
	p := positions{}
	p.walk(root, "")
	return p
}

func (p positions) walk(node ast.Node, key string) {
	if anchor, ok := node.(*ast.AnchorNode); ok {
		node = anchor.Value
	}
	if list, ok := node.(*ast.SequenceNode); ok {
		for i, item := range list.Values {
			at := itemPath(key, i)
			p.set(at, item)
			p.walk(item, at)
		}
		return
	}
	entries, _ := entriesOf(node)
	for _, entry := range entries {
		at := join(key, keyText(entry.Key))
		p.set(at, entry.Key)
		p.walk(entry.Value, at)
	}
}

func (p positions) set(key string, node ast.Node) {
	if t := node.GetToken(); t != nil && t.Position != nil {
		p[key] = t.Position
	}
}

// of returns the place of a key, or of the closest one around it that is
// written in the file.
func (p positions) of(key string) (line, column int) {
	for key != "" {
		if at, ok := p[key]; ok {
			return at.Line, at.Column
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return 0, 0
}
