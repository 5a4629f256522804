package browse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"holdfast/internal/api"
	"holdfast/internal/snapfs/diff"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// Diff compares two snapshots, or a folder in both. It ends without an error
// when q.Limit was found.
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
		ctx, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		left := pageSize(q.Limit)
		tell := func(d api.Difference) error {
			if left == 0 {
				stop(fs.SkipAll)
				return fs.SkipAll
			}
			left--
			return found(d)
		}
		_, err = diff.Run(ctx, v.repo, before, after, diff.Options{
			Metadata: true, Path: path, WithoutStatistics: true,
			Change: func(c diff.Change) error {
				if c.Modifier == diff.Updated && !isNotable(c.Before, c.After) {
					return nil
				}
				return tell(difference(c))
			},
			Warn: func(at string, err error) {
				switch {
				case ctx.Err() != nil:
				case !repository.IsCorrupt(err) && !isBroken(err) && !isBadNode(err):
					stop(v.explain(at, err))
				default:
					if err := tell(api.Difference{Path: api.PathText(at), Change: "damage", What: api.PathText(err.Error())}); err != nil {
						stop(err)
					}
				}
			},
		})
		if errors.Is(err, fs.SkipAll) {
			return nil
		}
		return v.explain(path, err)
	})
}

// isNotable tells whether people care for what differs between two nodes of one
// content: that a file was read, or that something in a folder changed, is told
// by others or by nobody.
func isNotable(a, b *tree.Node) bool {
	return a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID || a.User != b.User || a.Group != b.Group ||
		a.LinkTarget != b.LinkTarget || a.Device != b.Device || a.Type != tree.Dir && !a.ModTime.Equal(b.ModTime) ||
		!slices.EqualFunc(a.ExtendedAttributes, b.ExtendedAttributes, func(x, y tree.ExtendedAttribute) bool {
			return x.Name == y.Name && bytes.Equal(x.Value, y.Value)
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

func difference(c diff.Change) api.Difference {
	d := api.Difference{Path: api.PathText(strings.TrimSuffix(c.Path, "/"))}
	for _, side := range []struct {
		n    *tree.Node
		size *uint64
	}{{c.Before, &d.Before}, {c.After, &d.After}} {
		if side.n != nil {
			d.Kind = kindNames[kindOf(side.n.Type)]
			if side.n.Type == tree.File {
				*side.size = side.n.Size
			}
		}
	}
	switch {
	case strings.HasPrefix(c.Modifier, diff.Added):
		d.Change = "added"
	case strings.HasPrefix(c.Modifier, diff.Removed):
		d.Change = "removed"
	case strings.HasPrefix(c.Modifier, diff.Retyped):
		d.Change = "type"
	case strings.HasPrefix(c.Modifier, diff.Modified):
		d.Change = "changed"
		if strings.HasSuffix(c.Modifier, diff.Suspect) {
			d.What = "the content is another although size and times are the same: a disk may have decayed"
		}
	default:
		d.Change = "metadata"
	}
	return d
}
