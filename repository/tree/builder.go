package tree

import (
	"encoding/json"
	"errors"
	"fmt"
)

const (
	treeStart = `{"nodes":[`
	treeEnd   = "]}\n"
)

// Builder writes a tree, node by node. Its memory is the tree it writes.
type Builder struct {
	buf      []byte
	lastName string
}

// NewBuilder returns a Builder of an empty tree.
func NewBuilder() *Builder {
	return &Builder{buf: []byte(treeStart)}
}

// Add appends a node. A node that is not valid (see Validate) or whose name
// does not follow the last one (ErrOrder) is refused, and the tree stays as
// it was.
func (b *Builder) Add(n *Node) error {
	if err := Validate(n); err != nil {
		return err
	}
	for name, value := range n.GenericAttributes {
		if !json.Valid(value) {
			return fmt.Errorf("generic attribute %q of %q is not valid JSON", name, n.Name)
		}
	}
	if err := b.next(n.Name); err != nil {
		return err
	}
	b.buf = AppendNode(b.buf, n)
	return nil
}

// AddRaw appends a node by its JSON, as Scanner.Raw gives it for a node of
// an existing tree. The bytes stay as they are: a node may hold fields that
// only another program knows, and a node written anew could give the same
// folder another ID.
func (b *Builder) AddRaw(name string, rawNodeJSON []byte) error {
	if len(rawNodeJSON) < len("{}") || rawNodeJSON[0] != '{' || rawNodeJSON[len(rawNodeJSON)-1] != '}' {
		return errors.New("raw node is not a JSON object")
	}
	if err := ValidateName(name); err != nil {
		return err
	}
	if err := b.next(name); err != nil {
		return err
	}
	b.buf = append(b.buf, rawNodeJSON...)
	return nil
}

// next makes room for a node of the given name.
func (b *Builder) next(name string) error {
	if name <= b.lastName {
		return fmt.Errorf("node %q after %q: %w", name, b.lastName, ErrOrder)
	}
	if b.lastName != "" {
		b.buf = append(b.buf, ',')
	}
	b.lastName = name
	return nil
}

// Bytes returns the tree so far, as it is stored. They are valid until the
// next call of Add, AddRaw or Reset.
func (b *Builder) Bytes() []byte {
	// The end is not kept, so that the tree can go on.
	whole := append(b.buf, treeEnd...)
	b.buf = whole[:len(b.buf)]
	return whole
}

// Reset makes b an empty tree again and keeps its memory.
func (b *Builder) Reset() {
	b.buf = append(b.buf[:0], treeStart...)
	b.lastName = ""
}
