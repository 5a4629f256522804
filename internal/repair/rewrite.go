package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// rewriter makes trees without what is lost.
type rewriter struct {
	r       *repository.Repository
	options SnapshotsOptions
	// writer is nil in a dry run.
	writer *repository.Writer
	// done holds what each tree became, unless nothing is left of it.
	done     map[id.ID]id.ID
	snapshot *snapshot.Snapshot
}

func newRewriter(r *repository.Repository, o SnapshotsOptions) *rewriter {
	return &rewriter{r: r, options: o, done: make(map[id.ID]id.ID)}
}

func (w *rewriter) changed(at, format string, args ...any) {
	if w.options.Changed != nil {
		w.options.Changed(w.snapshot, at, fmt.Sprintf(format, args...))
	}
}

// part is a node of a tree: its name and its JSON.
type part struct {
	name string
	raw  []byte
}

// tree returns what a tree becomes: itself if it is whole. A root that cannot
// be read becomes the zero ID, any other tree an empty one.
func (w *rewriter) tree(ctx context.Context, i id.ID, at string) (id.ID, error) {
	if n, ok := w.done[i]; ok {
		return n, nil
	}
	became, err := w.rewrite(ctx, i, at)
	if err == nil && !became.IsZero() {
		w.done[i] = became
	}
	return became, err
}

func (w *rewriter) rewrite(ctx context.Context, i id.ID, at string) (id.ID, error) {
	data, err := w.r.LoadTree(ctx, i, nil)
	switch {
	case errors.Is(err, repository.ErrNotIndexed) || repository.IsCorrupt(err):
		return w.lostTree(ctx, at, err)
	case err != nil:
		return id.ID{}, err
	}
	parts, same, err := w.nodes(ctx, data, at)
	var syntax *tree.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return w.lostTree(ctx, at, err)
	case err != nil:
		return id.ID{}, err
	case same:
		return i, nil
	}
	return w.save(ctx, parts, at)
}

func (w *rewriter) lostTree(ctx context.Context, at string, err error) (id.ID, error) {
	if at == "/" {
		w.changed(at, "nothing can be read: %v", err)
		return id.ID{}, nil
	}
	w.changed(at, "folder cannot be read, and is now empty: %v", err)
	return w.save(ctx, nil, at)
}

// nodes returns what the nodes of a tree become, and whether that is what
// they were.
func (w *rewriter) nodes(ctx context.Context, data []byte, at string) (parts []part, same bool, err error) {
	same = true
	for e, err := range tree.Nodes(data) {
		if err != nil {
			return nil, false, err
		}
		raw, err := w.node(ctx, &e, path.Join(at, e.Node.Name))
		if err != nil {
			return nil, false, err
		}
		if raw == nil {
			same = false
			continue
		}
		// An unchanged node keeps its very bytes, and its place in the data.
		same = same && &raw[0] == &e.Raw[0]
		parts = append(parts, part{e.Node.Name, raw})
	}
	return parts, same, nil
}

// node returns the JSON of what a node becomes: e.Raw itself if it is whole,
// nil if it is left out.
func (w *rewriter) node(ctx context.Context, e *tree.Entry, at string) ([]byte, error) {
	n := &e.Node
	if err := tree.ValidateName(n.Name); err != nil {
		w.changed(at, "left out: %v", err)
		return nil, nil
	}
	switch n.Type {
	case tree.File:
		return w.file(e, at), nil
	case tree.Dir:
		return w.folder(ctx, e, at)
	}
	if err := tree.Validate(n); err != nil {
		w.changed(at, "left out: %v", err)
		return nil, nil
	}
	return e.Raw, nil
}

// file keeps the blobs that are left, and makes the size theirs.
func (w *rewriter) file(e *tree.Entry, at string) []byte {
	n := e.Node
	content := make([]id.ID, 0, len(n.Content))
	var bytes uint64
	for _, i := range n.Content {
		if l, ok := w.r.Index().Lookup(blob.Handle{ID: i, Type: blob.Data}); ok {
			content = append(content, i)
			bytes += uint64(l.DataLength())
		}
	}
	lost := len(n.Content) - len(content)
	switch {
	case lost > 0:
		w.changed(at, "file lost %d of %d blobs, and has %d of %d bytes now", lost, len(n.Content), bytes, n.Size)
	case bytes != n.Size:
		w.changed(at, "file has %d bytes, not %d", bytes, n.Size)
	case n.Content != nil:
		return e.Raw
	}
	n.Content, n.Size = content, bytes
	return tree.AppendNode(nil, &n)
}

func (w *rewriter) folder(ctx context.Context, e *tree.Entry, at string) ([]byte, error) {
	n := e.Node
	var old, became id.ID
	var err error
	if n.Subtree != nil {
		old = *n.Subtree
	}
	if old.IsZero() {
		became, err = w.lostTree(ctx, at, tree.ErrContent)
	} else {
		became, err = w.tree(ctx, old, at)
	}
	if err != nil || became == old {
		return e.Raw, err
	}
	n.Subtree = &became
	return tree.AppendNode(nil, &n), nil
}

// save stores a tree of these nodes. Old programs wrote some that are not in
// order, or that hold a name twice: restic writes no such tree any more.
func (w *rewriter) save(ctx context.Context, parts []part, at string) (id.ID, error) {
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(a.name, b.name) })
	b := tree.NewBuilder()
	for n, p := range parts {
		if n > 0 && p.name == parts[n-1].name {
			w.changed(path.Join(at, p.name), "left out: there is another of this name")
			continue
		}
		if err := b.AddRaw(p.name, p.raw); err != nil {
			return id.ID{}, err
		}
	}
	if w.writer == nil {
		return id.Hash(b.Bytes()), nil
	}
	saved, err := w.writer.Save(ctx, blob.Tree, b.Bytes())
	return saved.ID, err
}
