package diff

import (
	"context"

	"holdfast/internal/snapfs"
	"holdfast/repository/blob"
	"holdfast/repository/tree"
)

// countBlobs counts the blobs that one side has and the other has not.
func (c *comparer) countBlobs(ctx context.Context) error {
	before := c.before.Clone()
	c.before.Subtract(c.after)
	c.after.Subtract(before)
	if c.before.IsEmpty() && c.after.IsEmpty() {
		return nil
	}
	if err := c.subtractShared(ctx); err != nil {
		return err
	}
	count(c.before, &c.stats.Removed)
	count(c.after, &c.stats.Added)
	return nil
}

func count(blobs *snapfs.BlobSet, in *Count) {
	for b := range blobs.All() {
		if b.Type == blob.Tree {
			in.TreeBlobs++
		} else {
			in.DataBlobs++
		}
		in.Bytes += uint64(b.DataLength())
	}
}

// subtractShared takes out of both sides what the folders hold that are equal
// in both: a file that moved there is not new.
func (c *comparer) subtractShared(ctx context.Context) error {
	// The set grows during the walk; what is put into it is walked there.
	for b := range c.shared.Clone().All() {
		if err := c.addBelow(ctx, b.Handle); err != nil {
			return err
		}
	}
	c.before.Subtract(c.shared)
	c.after.Subtract(c.shared)
	return nil
}

// addBelow adds what is below a folder to the shared blobs.
func (c *comparer) addBelow(ctx context.Context, folder blob.Handle) error {
	for n, err := range c.fs.Nodes(ctx, folder.ID) {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			c.o.Warn("", err)
		case n.Type == tree.File:
			for _, i := range n.Content {
				c.shared.Add(blob.Handle{ID: i, Type: blob.Data})
			}
		case n.Type == tree.Dir:
			below := treeHandle(*n.Subtree)
			if added, _ := c.shared.Add(below); !added {
				continue
			}
			if err := c.addBelow(ctx, below); err != nil {
				return err
			}
		}
	}
	return nil
}
