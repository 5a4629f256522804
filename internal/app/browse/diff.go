package browse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"holdfast/internal/api"
	"holdfast/internal/snapfs"
	"holdfast/repository/id"
)

// Diff compares two snapshots, or a folder in both. It ends without an error
// when q.Limit was found. Folders with the same ID are equal and not read.
func (b *Browser) Diff(ctx context.Context, q api.DiffQuery, found func(api.Difference) error) error {
	path, err := cleanPath(q.Path)
	if err != nil {
		return err
	}
	if err := b.searches.Acquire(ctx, 1); err != nil {
		return err
	}
	defer b.searches.Release(1)
	return b.readingTrees(ctx, q.Repository, func(v *view, instead *api.Instead) error {
		before, err := v.sideOf(ctx, q.From, path, instead)
		if err != nil {
			return err
		}
		after, err := v.sideOf(ctx, q.To, path, instead)
		if err != nil {
			return err
		}
		c := &comparison{v: v, left: pageSize(q.Limit), found: found}
		err = c.folders(ctx, path, &before, &after)
		if errors.Is(err, fs.SkipAll) {
			return nil
		}
		return err
	})
}

// sideOf returns the tree of a folder to compare.
func (v *view) sideOf(ctx context.Context, ref, path string, instead *api.Instead) (id.ID, error) {
	s, err := v.find(ref, instead)
	if err != nil {
		return id.ID{}, err
	}
	at, err := v.walkTo(ctx, s, path)
	switch {
	case err != nil:
		return id.ID{}, err
	case len(at.damage) > 0:
		return id.ID{}, &DamageError{v.place.name, at.damage[0]}
	case at.folder == nil:
		return id.ID{}, fmt.Errorf("%w: %s is no folder in snapshot %s: folders are compared", api.ErrInvalid, api.PathText(path), s.ID.Short())
	}
	return *at.folder, nil
}

// comparison compares two snapshots.
type comparison struct {
	v *view
	// left is how much may still be told; fs.SkipAll ends the comparison.
	left  int
	found func(api.Difference) error
}

func (c *comparison) tell(d api.Difference) error {
	if c.left == 0 {
		return fs.SkipAll
	}
	c.left--
	return c.found(d)
}

// folders compares what two folders at a path hold; nil is none.
func (c *comparison) folders(ctx context.Context, path string, before, after *id.ID) error {
	if before != nil && after != nil && *before == *after {
		return nil
	}
	a, err := c.side(ctx, path, before)
	if err != nil {
		return err
	}
	b, err := c.side(ctx, path, after)
	if err != nil {
		return err
	}
	if err := c.damaged(path, a, b); err != nil {
		return err
	}
	x, y := a.byName(), b.byName()
	for len(x) > 0 || len(y) > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var left, right *row
		order := 0
		switch {
		case len(x) == 0:
			order = 1
		case len(y) == 0:
			order = -1
		default:
			order = cmp.Compare(a.name(&a.rows[x[0]]), b.name(&b.rows[y[0]]))
		}
		if order <= 0 {
			left, x = &a.rows[x[0]], x[1:]
		}
		if order >= 0 {
			right, y = &b.rows[y[0]], y[1:]
		}
		if err := c.entries(ctx, path, a, left, b, right); err != nil {
			return err
		}
	}
	return nil
}

// side lists a folder; one that cannot be shown is told, and is then empty.
func (c *comparison) side(ctx context.Context, path string, folder *id.ID) (*listing, error) {
	if folder == nil {
		return &listing{}, nil
	}
	l, err := c.v.listing(ctx, *folder)
	if err != nil && isTooLarge(err) {
		return &listing{}, c.tell(api.Difference{Path: api.PathText(path), Change: "damage", What: err.Error()})
	}
	return l, c.v.explain(path, err)
}

// damaged tells what cannot be compared, once for both sides.
func (c *comparison) damaged(path string, a, b *listing) error {
	list := append(a.damageBelow(path), b.damageBelow(path)...)
	for _, d := range slices.CompactFunc(list, func(x, y api.Damage) bool { return x == y }) {
		if err := c.tell(api.Difference{Path: d.Path, Change: "damage", What: d.What}); err != nil {
			return err
		}
	}
	return nil
}

// byName returns the numbers of the rows in the order of their names, byte by
// byte: that of nearly all trees.
func (l *listing) byName() []uint32 {
	order := make([]uint32, len(l.rows))
	for n := range order {
		order[n] = uint32(n) //nolint:gosec // no folder has as many entries
	}
	compare := func(x, y uint32) int { return cmp.Compare(l.name(&l.rows[x]), l.name(&l.rows[y])) }
	if !slices.IsSortedFunc(order, compare) {
		slices.SortFunc(order, compare)
	}
	return order
}

// entries compares two entries of one name, of which one may be nil, and what
// is below them.
func (c *comparison) entries(ctx context.Context, folder string, a *listing, before *row, b *listing, after *row) error {
	d := api.Difference{Change: change(before, after)}
	var name string
	var below, aside *id.ID
	if before != nil {
		name = a.name(before)
		d.Before, d.Kind, below = before.fileSize(), kindNames[before.kind], a.subtree(before)
	}
	if after != nil {
		name = b.name(after)
		d.After, d.Kind, aside = after.fileSize(), kindNames[after.kind], b.subtree(after)
	}
	path := snapfs.Join(folder, name)
	d.Path = api.PathText(path)
	if d.Change == "changed" && before.size == after.size && before.time == after.time && before.nanos == after.nanos {
		d.What = "the content is another although size and time are the same: a disk may have decayed, or somebody set the time back"
	}
	if d.Change != "" {
		if err := c.tell(d); err != nil {
			return err
		}
	}
	if below == nil && aside == nil {
		return nil
	}
	return c.folders(ctx, path, below, aside)
}

// change says how two entries of one name differ, "" for in nothing that people
// care for: that something in a folder changed is told of that.
func change(a, b *row) string {
	switch {
	case a == nil:
		return "added"
	case b == nil:
		return "removed"
	case a.kind != b.kind:
		return "type"
	case a.content != b.content:
		return "changed"
	case a.mode != b.mode, a.attributes != b.attributes,
		a.kind != kindFolder && (a.time != b.time || a.nanos != b.nanos):
		return "metadata"
	}
	return ""
}

func (r *row) fileSize() uint64 {
	if r.kind == kindFile {
		return r.size
	}
	return 0
}

// subtree returns the tree of an entry that is a folder, or nil.
func (l *listing) subtree(r *row) *id.ID {
	if r.kind != kindFolder {
		return nil
	}
	return &l.subtrees[r.extra]
}
