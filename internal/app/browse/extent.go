package browse

import (
	"context"

	"holdfast/internal/api"
	"holdfast/internal/snapfs"
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
		c := &counter{fs: v.fs.At(s.Tree), known: make(map[id.ID]Extent), links: make(map[link]struct{})}
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
	fs *snapfs.FS
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
	for n, err := range c.fs.Nodes(ctx, folder) {
		switch {
		case ctx.Err() != nil:
			return sum, linked, context.Cause(ctx)
		case err != nil:
			return sum, linked, err
		case n.Type == tree.Dir:
			below, l, err := c.folder(ctx, *n.Subtree)
			if err != nil {
				return sum, linked, err
			}
			sum.Files += below.Files
			sum.Bytes += below.Bytes
			linked = linked || l
			continue
		}
		sum.Files++
		if n.Links > 1 && n.Inode != 0 {
			linked = true
			l := link{n.Inode, n.DeviceID}
			if _, ok := c.links[l]; ok {
				continue
			}
			c.links[l] = struct{}{}
		}
		if n.Type == tree.File {
			sum.Bytes += n.Size
		}
	}
	if !linked && len(c.known) < maxKnown {
		c.known[folder] = sum
	}
	return sum, linked, nil
}
