package verify

import (
	"fmt"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// treeReader looks into trees, one at a time. Each goroutine needs one of
// its own.
type treeReader struct {
	index *repository.Index
	scan  *tree.Scanner
}

func newTreeReader(index *repository.Index) *treeReader {
	// All fields: what does not decode cannot be restored.
	return &treeReader{index: index, scan: tree.NewScanner(nil)}
}

// finding is something that a tree says wrongly, or lacks.
type finding struct {
	kind Kind
	// name is that of the node; "" means the tree itself.
	name string
	// missing is the blob that no index lists.
	missing blob.Handle
	detail  string
}

// isComplete tells whether there is nothing to find in a tree.
func (t *treeReader) isComplete(data []byte) bool {
	complete := true
	t.inspect(data, func(finding) { complete = false }, nil)
	return complete
}

// inspect decodes a tree and calls found for all that is wrong with it, and
// visit, if not nil, for each node.
func (t *treeReader) inspect(data []byte, found func(finding), visit func(*tree.Node)) {
	t.scan.Reset(data)
	last := ""
	for t.scan.Next() {
		n := t.scan.Node()
		if n.Name <= last {
			found(finding{kind: UnusualTree, name: n.Name, detail: fmt.Sprintf("%q stands behind %q", n.Name, last)})
		}
		last = n.Name
		if err := tree.Validate(n); err != nil {
			found(finding{kind: InvalidTree, name: n.Name, detail: err.Error()})
		}
		switch n.Type {
		case tree.File:
			t.content(n, found)
		case tree.Dir:
			t.subtree(n, found)
		}
		if visit != nil {
			visit(n)
		}
	}
	if err := t.scan.Err(); err != nil {
		found(finding{kind: InvalidTree, detail: err.Error()})
	}
}

// content looks up the blobs of a file.
func (t *treeReader) content(n *tree.Node, found func(finding)) {
	var bytes uint64
	whole := true
	for _, i := range n.Content {
		h := blob.Handle{ID: i, Type: blob.Data}
		l, ok := t.index.Lookup(h)
		if !ok && !i.IsZero() {
			whole = false
			found(finding{kind: MissingBlob, name: n.Name, missing: h})
		}
		bytes += uint64(l.DataLength())
	}
	if whole && bytes != n.Size {
		found(finding{kind: UnusualTree, name: n.Name, detail: fmt.Sprintf("file %q has %d bytes, its blobs have %d", n.Name, n.Size, bytes)})
	}
}

func (t *treeReader) subtree(n *tree.Node, found func(finding)) {
	if n.Subtree == nil || n.Subtree.IsZero() {
		return // Validate has said so
	}
	h := treeHandle(*n.Subtree)
	if !t.index.Has(h) {
		found(finding{kind: MissingBlob, name: n.Name, missing: h})
	}
}

func treeHandle(i id.ID) blob.Handle { return blob.Handle{ID: i, Type: blob.Tree} }
