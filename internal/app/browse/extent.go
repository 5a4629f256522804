package browse

import (
	"context"

	"holdfast/internal/api"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// Extent is how much is in a snapshot, or below some paths of it.
type Extent struct{ Files, Bytes uint64 }

// Extent counts the files below paths (api.PathText), or all without any, and
// their bytes when restored. What its backup counted is taken for a whole
// snapshot. A path that is not there is api.ErrNotFound.
func (b *Browser) Extent(ctx context.Context, repository, ref string, paths []string) (Extent, error) {
	if err := b.searches.Acquire(ctx, 1); err != nil {
		return Extent{}, err
	}
	defer b.searches.Release(1)
	var sum Extent
	err := b.again(ctx, repository, func(v *view, instead *api.Instead) error {
		s, err := v.find(ref, instead)
		if err != nil {
			return err
		}
		if len(paths) == 0 && s.Summary != nil {
			sum = Extent{s.Summary.TotalFilesProcessed, s.Summary.TotalBytesProcessed}
			return nil
		}
		if len(paths) == 0 {
			paths = []string{"/"}
		}
		sum = Extent{}
		c := &counter{v: v, known: make(map[id.ID]Extent), links: make(map[link]struct{})}
		for _, text := range paths {
			path, err := cleanPath(text)
			if err != nil {
				return err
			}
			at, err := v.walkTo(ctx, s, path)
			if err != nil {
				return err
			}
			if len(at.damage) > 0 {
				return &DamageError{v.place.name, at.damage[0]}
			}
			below, err := c.count(ctx, at)
			if err != nil {
				return v.explain(path, err)
			}
			sum.Files += below.Files
			sum.Bytes += below.Bytes
		}
		return nil
	})
	return sum, err
}

// counter counts folders, those that it meets again only once.
type counter struct {
	v *view
	// known are folders without hard links, up to maxKnown of them.
	known map[id.ID]Extent
	links map[link]struct{}
}

// maxKnown bounds the memory for folders that were counted: 64 bytes each.
const maxKnown = 1 << 17

type link struct{ inode, device uint64 }

func (c *counter) count(ctx context.Context, at spot) (Extent, error) {
	switch {
	case at.folder != nil:
		e, _, err := c.folder(ctx, *at.folder)
		return e, err
	case at.entry.Kind == kindNames[kindFile]:
		return Extent{1, at.entry.Size}, nil
	}
	return Extent{Files: 1}, nil
}

// folder counts what is below a folder; linked tells that there are hard
// links, for which the count may differ the next time.
func (c *counter) folder(ctx context.Context, folder id.ID) (sum Extent, linked bool, err error) {
	if e, ok := c.known[folder]; ok {
		return e, false, nil
	}
	var below []id.ID
	for n, err := range c.v.nodes(ctx, folder) {
		switch {
		case ctx.Err() != nil:
			return sum, linked, context.Cause(ctx)
		case err != nil:
			return sum, linked, err
		case n.Type == tree.Dir:
			below = append(below, *n.Subtree)
			continue
		}
		sum.Files++
		size, isLink := c.sizeOf(n)
		sum.Bytes += size
		linked = linked || isLink
	}
	for _, i := range below {
		e, isLinked, err := c.folder(ctx, i)
		if err != nil {
			return sum, linked, err
		}
		sum.Files += e.Files
		sum.Bytes += e.Bytes
		linked = linked || isLinked
	}
	if !linked && len(c.known) < maxKnown {
		c.known[folder] = sum
	}
	return sum, linked, nil
}

// sizeOf returns the size of a file, which is none for its second and later
// names.
func (c *counter) sizeOf(n *tree.Node) (size uint64, isLink bool) {
	if n.Type == tree.File {
		size = n.Size
	}
	if n.Links < 2 || n.Inode == 0 {
		return size, false
	}
	l := link{n.Inode, n.DeviceID}
	if _, ok := c.links[l]; ok {
		return 0, true
	}
	c.links[l] = struct{}{}
	return size, true
}
