package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/snapfs"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// CompareOptions tell what is compared, and how.
type CompareOptions struct {
	// Folder is the folder of the file system that is held against the
	// snapshot: what was restored, or "/" for what was backed up.
	Folder string
	// Filter says what is compared; its paths begin at the folder.
	Filter Filter
	// Metadata compares modes, owners and modification times too.
	Metadata bool
	// Progress, if set, has its BytesVerified counted up.
	Progress *Progress
	// OnDifference, if set, is told of every item of the snapshot that is
	// missing in the folder, cannot be read, or is not the same. It is called
	// by several goroutines, one at a time.
	OnDifference func(path string, err error)
}

// Comparison tells what Compare found.
type Comparison struct {
	// Files and Bytes count the files whose whole content was read and is
	// that of the snapshot.
	Files, Bytes uint64
	Differences  uint64
}

// Compare holds a folder of the file system against one of a snapshot. Every
// file is read and its content hashed, blob by blob; what the folder has
// beyond the snapshot is not looked at. Only the trees of the repository are
// read. The index is loaded.
func Compare(ctx context.Context, repo *repository.Repository, root id.ID, o CompareOptions) (*Comparison, error) {
	snapshot, err := snapfs.Open(ctx, repo, root)
	if err != nil {
		return nil, err
	}
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	r := newRestorer(repo, Options{Target: o.Folder, Filter: o.Filter, Progress: o.Progress, OnError: o.OnDifference, DryRun: true})
	r.snapshot = snapshot
	defer r.folders.closeAll()
	c := &checker{restorer: r, metadata: o.Metadata}
	if err := c.run(ctx, root); err != nil {
		return nil, fmt.Errorf("compare %s: %w", o.Folder, err)
	}
	return &Comparison{Files: c.files.Load(), Bytes: c.bytes.Load(), Differences: o.Progress.Errors.Load()}, nil
}

// verify reads the restored files again and returns how many are right.
func (r *restorer) verify(ctx context.Context, root *tree.Node) (uint64, error) {
	c := &checker{restorer: r}
	err := c.run(ctx, *root.Subtree)
	return c.files.Load(), err
}

// checker holds the files of a folder against those of a snapshot.
type checker struct {
	*restorer
	metadata bool
	number   uint64 // of the files met, as the walk of the restore counts them
	jobs     chan check
	files    atomic.Uint64
	bytes    atomic.Uint64
}

// check is a file to be read.
type check struct {
	folder  *folder
	name    string
	content []id.ID
}

// queuedChecks bounds the files that the walk is ahead of the reading.
const queuedChecks = 64

func (c *checker) run(ctx context.Context, root id.ID) error {
	top := new(folder)
	if _, err := c.folders.use(&top.slot, func() (dirHandle, error) { return openTarget(c.options.Target) }); err != nil {
		return err
	}
	c.jobs = make(chan check, queuedChecks)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(c.jobs)
		return c.walk(gctx, top, root)
	})
	for range c.workers() {
		g.Go(func() error {
			var buffer []byte
			for job := range c.jobs {
				if gctx.Err() != nil {
					return context.Cause(gctx)
				}
				var err error
				if buffer, err = c.read(job, buffer); err != nil {
					c.failed(job.folder.join(job.name), err)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// walk compares what is in a folder. Only errors that end the work are
// returned.
func (c *checker) walk(ctx context.Context, at *folder, subtree id.ID) error {
	for n, err := range c.snapshot.Nodes(ctx, subtree) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			c.failed(at.pathOf(n), err)
			continue
		}
		if err := c.node(ctx, at, n); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) node(ctx context.Context, at *folder, n *tree.Node) error {
	selected, below := true, true
	if !c.options.Filter.isEmpty() {
		selected, below = c.options.Filter.judge(at.join(n.Name))
	}
	if !selected && (n.Type != tree.Dir || !below) || n.Type == tree.Socket {
		return nil
	}
	if n.Type == tree.File {
		c.number++
		if c.unproven.has(c.number) {
			return nil
		}
	}
	sub, err := c.look(at, n)
	switch {
	case err != nil && !selected && errors.Is(err, errMissing): // nothing in it was wanted
		return nil
	case err != nil:
		c.failed(at.join(n.Name), err)
		return nil
	case n.Type == tree.Dir:
		return c.walk(ctx, sub, *n.Subtree)
	case n.Type != tree.File:
		return nil
	}
	select {
	case c.jobs <- check{at, n.Name, n.Content}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// The differences that Compare reports.
var (
	errMissing   = errors.New("it is missing")
	errDifferent = errors.New("its content is not that of the snapshot")
)

// look compares what a name stands for, without reading it. It returns the
// folder, if it is one.
func (c *checker) look(at *folder, n *tree.Node) (*folder, error) {
	d, err := c.use(at)
	if err != nil {
		return nil, err
	}
	defer c.release(at)
	is, err := d.lstat(n.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errMissing
	}
	if err != nil {
		return nil, err
	}
	if is.kind != n.Type {
		return nil, fmt.Errorf("it is a %s, in the snapshot a %s", is.kind, n.Type)
	}
	if n.Type == tree.Symlink {
		target, err := d.readlink(n.Name)
		if err != nil {
			return nil, err
		}
		if target != n.LinkTarget {
			return nil, fmt.Errorf("it leads to %q, in the snapshot to %q", target, n.LinkTarget)
		}
	}
	if c.metadata {
		if err := compareMetadata(&is, n); err != nil {
			c.failed(at.join(n.Name), err)
		}
	}
	if n.Type != tree.Dir {
		return nil, nil //nolint:nilnil // only folders are entered
	}
	return &folder{parent: at, name: n.Name, id: is.fileID}, nil
}

// compareMetadata tells what of the metadata differs.
func compareMetadata(is *state, n *tree.Node) error {
	want := storedMetadata(n)
	var errs []error
	if n.Type != tree.Symlink && is.mode != want.mode {
		errs = append(errs, fmt.Errorf("its mode is %v, in the snapshot %v", is.mode, want.mode))
	}
	if is.uid != want.uid || is.gid != want.gid {
		errs = append(errs, fmt.Errorf("its owner is %d:%d, in the snapshot %d:%d", is.uid, is.gid, want.uid, want.gid))
	}
	if is.mtime != want.mtime {
		errs = append(errs, fmt.Errorf("it was modified at %v, in the snapshot at %v", is.mtime.Time(), want.mtime.Time()))
	}
	return errors.Join(errs...)
}

// read hashes a file blob by blob. The buffer is reused.
func (c *checker) read(job check, buffer []byte) ([]byte, error) {
	d, err := c.use(job.folder)
	if err != nil {
		return buffer, err
	}
	defer c.release(job.folder)
	h, err := d.open(job.name, false)
	if err != nil {
		return buffer, err
	}
	defer h.close() //nolint:errcheck // it was only read
	var offset int64
	for _, i := range job.content {
		l, ok := c.repo.Index().Lookup(blob.Handle{ID: i, Type: blob.Data})
		if !ok {
			return buffer, fmt.Errorf("data/%s: %w", i.Short(), repository.ErrNotIndexed)
		}
		if n := int(l.DataLength()); cap(buffer) < n {
			buffer = make([]byte, n)
		}
		buffer = buffer[:l.DataLength()]
		if err := h.readAt(buffer, offset); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return buffer, err
		} else if err != nil || id.Hash(buffer) != i {
			return buffer, fmt.Errorf("%w (from byte %d on)", errDifferent, offset)
		}
		offset += int64(len(buffer))
		c.progress.BytesVerified.Add(uint64(len(buffer)))
	}
	is, err := h.state()
	if err == nil && is.size != offset {
		err = fmt.Errorf("%w: it has %d bytes, there %d", errDifferent, is.size, offset)
	}
	if err == nil {
		c.files.Add(1)
		c.bytes.Add(uint64(offset)) //nolint:gosec // not negative
	}
	return buffer, err
}
