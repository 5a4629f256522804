package restore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/snapfs"
	"holdfast/repository"
	"holdfast/repository/tree"
)

const (
	// openFolders and openFiles bound the descriptors in use: few enough for
	// any system's limits, enough for blobs that come in about the order of
	// the files.
	openFolders = 128
	openFiles   = 128
)

// restorer holds the state of one restore.
type restorer struct {
	repo     *repository.Repository
	snapshot *snapfs.FS
	options  Options
	progress *Progress
	process  process
	limits   limits
	names    ownerNames
	asides   *asides
	folders  pool[dirHandle]
	files    pool[fileHandle]

	report sync.Mutex // one OnError or OnItem at a time
	// unproven marks the files, by the order of the walk, that were not
	// restored, so that there is nothing to verify.
	unproven bitset
}

func newRestorer(repo *repository.Repository, o Options) *restorer {
	r := &restorer{repo: repo, options: o, progress: o.Progress, process: thisProcess(), asides: newAsides()}
	r.folders.limit, r.folders.close = openFolders, func(d dirHandle) { d.close() }
	r.files.limit, r.files.close = openFiles, func(f fileHandle) { f.close() } //nolint:errcheck // it is opened again, or given up
	return r
}

// restore brings the target in line with a folder of the snapshot.
func (r *restorer) restore(ctx context.Context, target *folder, root *tree.Node) error {
	defer r.files.closeAll()
	g, gctx := errgroup.WithContext(ctx)
	batches := make(chan *batch)
	orders := make(chan order, repository.PacksAhead-1) // one more waits to get in
	g.Go(func() error {
		defer close(batches)
		w := &walker{restorer: r, batches: batches, batch: newBatch(partsAtOnce(r.repo.Store())), linked: make(map[linkKey]*file)}
		return w.walkAll(gctx, target, *root.Subtree)
	})
	g.Go(func() error {
		defer close(orders)
		return r.handOut(gctx, batches, orders)
	})
	for range r.workers() {
		g.Go(func() error {
			for o := range orders {
				if err := r.fetch(gctx, o); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	for o := range orders { // left over when an error ended the workers
		o.read.Abandon()
	}
	return errors.Join(err, r.removeAsides())
}

func (r *restorer) workers() int {
	if r.options.Workers > 0 {
		return r.options.Workers
	}
	return max(2, runtime.GOMAXPROCS(0))
}

// fatalError ends the restore: there is no point in trying the other files.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }

// judge returns a *fatalError for what all other files would meet too.
func judge(err error) error {
	switch {
	case errors.Is(err, syscall.EROFS): // there is no room to be made
		return &fatalError{err}
	case isFull(err):
		return &fatalError{fmt.Errorf("%w; make room and run the restore again: it goes on from here", err)}
	}
	return nil
}

func isFatal(err error) bool {
	var fatal *fatalError
	return errors.As(err, &fatal)
}

// bitset is a set of small numbers that many goroutines may add to.
type bitset struct {
	mu    sync.Mutex
	words []uint64
}

func (b *bitset) add(n uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for uint64(len(b.words)) <= n/64 {
		b.words = append(b.words, 0)
	}
	b.words[n/64] |= 1 << (n % 64)
}

func (b *bitset) has(n uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return n/64 < uint64(len(b.words)) && b.words[n/64]&(1<<(n%64)) != 0
}
