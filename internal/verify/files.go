package verify

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// loadsAtOnce bounds the small files read in parallel: enough to hide the
// latency of a remote store.
const loadsAtOnce = 8

// checkSmallFiles checks the config, keys and locks. Opening the repository
// has read the config and one key, but nobody looks at the other keys until
// the day they are needed.
func (c *checker) checkSmallFiles(ctx context.Context, _ *Report) error {
	if c.options.Opened {
		return c.checkKeys(ctx)
	}
	if err := c.checkFile(ctx, repository.ConfigFile, id.ID{}); err != nil {
		return err
	}
	for _, kind := range []repository.FileKind{repository.KeyFile, repository.LockFile} {
		err := c.eachFile(ctx, kind, func(ctx context.Context, i id.ID, sizeBytes int64) error {
			if kind == repository.LockFile && sizeBytes == 0 {
				return nil // a crash leaves such; they lock nothing
			}
			return c.checkFile(ctx, kind, i)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// checkKeys checks the keys, all but the one that opening has read and found
// right.
func (c *checker) checkKeys(ctx context.Context) error {
	read := c.r.KeysRead()
	for _, i := range read.Listed { // few, and one at a time is fine
		if i == read.Sound {
			continue
		}
		if err := c.checkFile(ctx, repository.KeyFile, i); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) checkFile(ctx context.Context, k repository.FileKind, i id.ID) error {
	err := c.r.VerifyFile(ctx, k, i)
	if err == nil || isGone(err) {
		return nil
	}
	return c.badFile(ctx, k, i, err)
}

// badFile records that a file is damaged or cannot be read.
func (c *checker) badFile(ctx context.Context, k repository.FileKind, i id.ID, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	kind := UnreadableFile
	if repository.IsCorrupt(err) {
		kind = DamagedFile
	}
	p := Problem{Kind: kind, File: k, ID: i, Detail: reason(err)}
	if k == repository.SnapshotFile {
		p.Affects = Affects{Snapshots: []id.ID{i}, SnapshotCount: 1}
	}
	c.found(p)
	return nil
}

// eachFile calls visit for all files of a kind, several at once.
func (c *checker) eachFile(ctx context.Context, k repository.FileKind, visit func(ctx context.Context, i id.ID, sizeBytes int64) error) error {
	type file struct {
		id        id.ID
		sizeBytes int64
	}
	var files []file
	err := c.r.ListFiles(ctx, k, func(i id.ID, sizeBytes int64) error {
		files = append(files, file{i, sizeBytes})
		return nil
	})
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(loadsAtOnce)
	for _, f := range files {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error { return visit(gctx, f.id, f.sizeBytes) })
	}
	return cmp.Or(g.Wait(), context.Cause(ctx))
}

// loadSnapshots loads the snapshots, before the index: whatever a snapshot
// needs was indexed before it was written.
func (c *checker) loadSnapshots(ctx context.Context, report *Report) error {
	var mu sync.Mutex
	err := c.eachFile(ctx, repository.SnapshotFile, func(ctx context.Context, i id.ID, _ int64) error {
		s, err := c.r.LoadSnapshot(ctx, i)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			c.snapshots = append(c.snapshots, s)
		case !isGone(err):
			report.DamagedSnapshots = append(report.DamagedSnapshots, i)
			return c.badFile(ctx, repository.SnapshotFile, i, err)
		}
		return nil
	})
	slices.SortFunc(c.snapshots, snapshot.Compare)
	report.Snapshots = len(c.snapshots)
	return err
}
