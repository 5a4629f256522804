// Package usage measures what snapshots take up: the size of their files when
// restored, or that of their content in the repository.
//
// Memory is bounded by the index, at one bit for each blob, and by 8 bytes for
// each file in the modes that tell files apart. Folders that several snapshots
// share are gone through once wherever the result allows it.
package usage

import (
	"context"
	"fmt"
	"hash/maphash"

	"holdfast/internal/snapfs"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// Mode says what is counted. The names are restic's.
type Mode string

// The modes.
const (
	// RestoreSize counts what restoring every snapshot would write: all
	// entries, hard links once in each snapshot.
	RestoreSize Mode = "restore-size"
	// FilesByContents counts files of different content, each once.
	FilesByContents Mode = "files-by-contents"
	// BlobsPerFile counts the blobs of such files, each once for every path.
	BlobsPerFile Mode = "blobs-per-file"
	// RawData counts the blobs as they are stored, each once.
	RawData Mode = "raw-data"
)

// ParseMode reads the name of a mode.
func ParseMode(name string) (Mode, error) {
	switch m := Mode(name); m {
	case RestoreSize, FilesByContents, BlobsPerFile, RawData:
		return m, nil
	}
	return "", fmt.Errorf("unknown mode %q: want %s, %s, %s or %s", name, RestoreSize, FilesByContents, BlobsPerFile, RawData)
}

// Usage is what was counted. Sizes are in bytes.
type Usage struct {
	Snapshots int
	Files     uint64
	Blobs     uint64
	Size      uint64

	// The following are of RawData, and of repositories that compress: the
	// size that all blobs would have without compression, and both sizes of
	// those that are compressed.
	UncompressedSize            uint64
	CompressedBlobsSize         uint64
	CompressedBlobsUncompressed uint64
}

// Counter counts snapshot after snapshot. It is for one goroutine.
type Counter struct {
	r     *repository.Repository
	fs    *snapfs.FS
	mode  Mode
	usage Usage

	// seen holds the blobs that were counted, and the trees that need not be
	// read again.
	seen *snapfs.BlobSet
	// totals holds what is below trees without hard links, in RestoreSize.
	totals map[id.ID]total
	// links holds the hard links of one snapshot.
	links map[link]struct{}
	// contents, paths and pairs hold hashes of what was counted. Two of 10
	// million are equal by chance with a probability of 3 in a million.
	contents, paths, pairs map[uint64]struct{}
	seed                   maphash.Seed
}

// maxTotals bounds the memory for totals, at about 100 bytes each.
const maxTotals = 1 << 18

// total is what RestoreSize counts below one tree.
type total struct{ files, size uint64 }

type link struct{ inode, device uint64 }

// NewCounter returns a Counter. The index of the repository is loaded.
func NewCounter(r *repository.Repository, mode Mode) *Counter {
	return &Counter{
		r: r, mode: mode, seen: snapfs.NewBlobSet(r),
		totals: make(map[id.ID]total), seed: maphash.MakeSeed(),
		contents: make(map[uint64]struct{}), paths: make(map[uint64]struct{}), pairs: make(map[uint64]struct{}),
	}
}

// Usage returns what was counted so far.
func (c *Counter) Usage() Usage { return c.usage }

// Add counts the tree of one snapshot. An error leaves the count incomplete.
func (c *Counter) Add(ctx context.Context, root id.ID) (err error) {
	if c.fs == nil {
		if c.fs, err = snapfs.Open(ctx, c.r, root); err != nil {
			return err
		}
	}
	c.usage.Snapshots++
	switch c.mode {
	case RestoreSize:
		c.links = make(map[link]struct{})
		t, _, err := c.restoreSize(ctx, root)
		c.usage.Files += t.files
		c.usage.Size += t.size
		return err
	case RawData:
		return c.rawData(ctx, root)
	default:
		return c.files(ctx, "/", root)
	}
}

// nodes goes through a folder; the first bad node ends the count.
func (c *Counter) nodes(ctx context.Context, folder id.ID, visit func(n *tree.Node) error) error {
	for n, err := range c.fs.Nodes(ctx, folder) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			err = visit(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// restoreSize counts what is below a folder. It also tells whether there are
// hard links, for which the count may differ the next time.
func (c *Counter) restoreSize(ctx context.Context, folder id.ID) (t total, linked bool, err error) {
	if t, ok := c.totals[folder]; ok {
		return t, false, nil
	}
	err = c.nodes(ctx, folder, func(n *tree.Node) error {
		t.files++
		if n.Type != tree.Dir {
			size, isLink := c.sizeOf(n)
			t.size += size
			linked = linked || isLink
			return nil
		}
		t.size += n.Size
		below, belowLinked, err := c.restoreSize(ctx, *n.Subtree)
		t.files += below.files
		t.size += below.size
		linked = linked || belowLinked
		return err
	})
	if err == nil && !linked && len(c.totals) < maxTotals {
		c.totals[folder] = t
	}
	return t, linked, err
}

// sizeOf returns the size of a node, which is none for the second and later
// names of a file.
func (c *Counter) sizeOf(n *tree.Node) (size uint64, isLink bool) {
	if n.Links == 1 || n.Inode == 0 {
		return n.Size, false
	}
	l := link{n.Inode, n.DeviceID}
	if _, ok := c.links[l]; ok {
		return 0, true
	}
	c.links[l] = struct{}{}
	return n.Size, true
}

// rawData counts a tree and the blobs that it reaches.
func (c *Counter) rawData(ctx context.Context, folder id.ID) error {
	added, err := c.addBlob(blob.Handle{ID: folder, Type: blob.Tree})
	if !added || err != nil {
		return err
	}
	return c.nodes(ctx, folder, func(n *tree.Node) error {
		if n.Type == tree.Dir {
			return c.rawData(ctx, *n.Subtree)
		}
		for _, i := range n.Content {
			if _, err := c.addBlob(blob.Handle{ID: i, Type: blob.Data}); err != nil {
				return fmt.Errorf("file %q: %w", n.Name, err)
			}
		}
		return nil
	})
}

// addBlob counts a blob unless it was counted.
func (c *Counter) addBlob(h blob.Handle) (added bool, err error) {
	added, indexed := c.seen.Add(h)
	if !indexed {
		return false, fmt.Errorf("%s: %w", h, repository.ErrNotIndexed)
	}
	if !added {
		return false, nil
	}
	l, _ := c.r.Index().Lookup(h)
	plain := uint64(l.DataLength()) + blob.Overhead
	c.usage.Blobs++
	c.usage.Size += uint64(l.Length)
	if c.r.Config().Version < 2 {
		return true, nil
	}
	c.usage.UncompressedSize += plain
	if l.IsCompressed() {
		c.usage.CompressedBlobsSize += uint64(l.Length)
		c.usage.CompressedBlobsUncompressed += plain
	}
	return true, nil
}

// files counts what is below a folder by content. A folder seen before holds
// no content that is new.
func (c *Counter) files(ctx context.Context, path string, folder id.ID) error {
	added, indexed := c.seen.Add(blob.Handle{ID: folder, Type: blob.Tree})
	if !added && indexed {
		return nil
	}
	return c.nodes(ctx, folder, func(n *tree.Node) error {
		at := snapfs.Join(path, n.Name)
		if c.isNew(c.contents, c.hashContent(n.Content)) {
			if err := c.file(at, n); err != nil {
				return err
			}
		}
		if n.Type == tree.Dir {
			return c.files(ctx, at, *n.Subtree)
		}
		return nil
	})
}

// file counts a node whose content is new.
func (c *Counter) file(path string, n *tree.Node) error {
	if c.mode == FilesByContents {
		c.usage.Files++
		c.usage.Size += n.Size
		return nil
	}
	if len(n.Content) > 0 && c.isNew(c.paths, maphash.String(c.seed, path)) {
		c.usage.Files++
	}
	for _, i := range n.Content {
		if !c.isNew(c.pairs, c.hashPair(path, i)) {
			continue
		}
		l, ok := c.r.Index().Lookup(blob.Handle{ID: i, Type: blob.Data})
		if !ok {
			return fmt.Errorf("%s: data/%s: %w", path, i.Short(), repository.ErrNotIndexed)
		}
		c.usage.Blobs++
		c.usage.Size += uint64(l.DataLength())
	}
	return nil
}

func (c *Counter) isNew(seen map[uint64]struct{}, hash uint64) bool {
	if _, ok := seen[hash]; ok {
		return false
	}
	seen[hash] = struct{}{}
	return true
}

func (c *Counter) hashContent(content []id.ID) uint64 {
	var h maphash.Hash
	h.SetSeed(c.seed)
	for n := range content {
		h.Write(content[n][:]) //nolint:errcheck // a hash never fails
	}
	return h.Sum64()
}

func (c *Counter) hashPair(path string, i id.ID) uint64 {
	var h maphash.Hash
	h.SetSeed(c.seed)
	h.Write(i[:])       //nolint:errcheck // a hash never fails
	h.WriteString(path) //nolint:errcheck // see above
	return h.Sum64()
}
