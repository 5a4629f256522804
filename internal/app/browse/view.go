package browse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/api"
	"holdfast/internal/app"
	"holdfast/internal/config"
	"holdfast/internal/snapfs"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// view is a repository as it was when its snapshots were listed. It does not
// change: what is new makes a new view, and an old one closes when its last
// user is gone.
type view struct {
	place *place
	// store is shared by all views of a place.
	store *sharedStore
	repo  *repository.Repository
	// snapshots are the newest first; damage are those that cannot be read.
	snapshots []*snapshot.Snapshot
	damage    []api.Damage
	// seen are the snapshot and index files there were.
	seen fileSet

	// These belong to place.mu. asked is when the last look at what there is
	// began, checked when it ended.
	users          int
	retired        bool
	asked, checked time.Time
	// stale tells that the index led to something that is gone.
	stale atomic.Bool

	indexing sync.Mutex
	// index is the loading of the index, nil before it was asked for.
	index *indexing
	fs    *snapfs.Shared
	trees *snapfs.FS // of any tree
}

// indexing is an index that is being loaded, or is loaded: then done is closed.
type indexing struct {
	done chan struct{}
	err  error
}

// fileSet are the files whose coming and going changes what is seen.
type fileSet struct{ snapshots, indexes id.Set }

func (s fileSet) equal(o fileSet) bool {
	return maps.Equal(s.snapshots, o.snapshots) && maps.Equal(s.indexes, o.indexes)
}

// sharedStore closes a store when the last view of it is gone.
type sharedStore struct {
	storage.Store
	views atomic.Int32
}

// Unwrap returns the store behind.
func (s *sharedStore) Unwrap() storage.Store { return s.Store }

var _ storage.Wrapper = (*sharedStore)(nil)

// open opens the repository and lists its snapshots.
func (p *place) open(ctx context.Context, cfg config.Repository) (_ *view, err error) {
	store, err := p.b.openStore(ctx, cfg)
	if err != nil {
		return nil, err
	}
	shared := &sharedStore{Store: store}
	defer func() {
		if err != nil {
			err = errors.Join(err, storage.Close(store))
		}
	}()
	password, err := cfg.Password.Resolve(ctx)
	if err != nil {
		return nil, fmt.Errorf("password of the repository: %w", err)
	}
	v := &view{place: p, store: shared}
	o := p.b.repositoryOptions(v, cfg)
	o.Password = []byte(password.Reveal())
	o.Deriving = &p.b.deriving
	v.repo, err = repository.Open(ctx, shared, o)
	freeMemory() // what deriving the key took
	if err != nil {
		return nil, err
	}
	return v, v.list(ctx, nil)
}

// openStore opens the place of a repository. It is not asked for long: those
// who look at a page do not wait.
func (b *Browser) openStore(ctx context.Context, cfg config.Repository) (storage.Store, error) {
	kind, err := app.KindOf(cfg.URL)
	if err != nil {
		return nil, err
	}
	o := app.StoreOptions{Settings: maps.Clone(cfg.Options), LogURL: cfg.LogURL, Patience: b.limits.patience}
	if cfg.Tiers != nil && kind.IsObjectStore() {
		if o.Settings == nil {
			o.Settings = make(map[string]string)
		}
		o.Settings["mark-bulk"] = "true" // what the rule goes by
	}
	if cfg.Immutable != nil {
		o.Immutable = cfg.Immutable.Policy()
	}
	return b.open(ctx, cfg.URL, o)
}

func (b *Browser) repositoryOptions(v *view, cfg config.Repository) repository.Options {
	kind, err := app.KindOf(cfg.URL)
	return repository.Options{
		CacheDir: b.o.CacheDir, CacheObjects: err == nil && kind.IsRemote(), ReadOnly: true,
		Warn: func(err error) { b.o.Log.Warn("cache of a repository", "repository", v.place.name, "error", err) },
		Elsewhere: func(ctx context.Context, h blob.Handle, cause error) ([]byte, error) {
			return b.elsewhere(ctx, v, h, cause)
		},
	}
}

// refresh returns a view of what there is now, or v itself if that is the same.
func (v *view) refresh(ctx context.Context) (*view, error) {
	seen, err := v.files(ctx)
	if err != nil {
		return nil, err
	}
	if seen.equal(v.seen) && !v.stale.Load() {
		return v, nil
	}
	next := &view{place: v.place, store: v.store}
	// The key is there already.
	next.repo, err = v.repo.OpenMirror(ctx, v.store, v.place.b.repositoryOptions(next, v.place.configured))
	if err != nil {
		return nil, err
	}
	return next, next.list(ctx, v.snapshots)
}

// files lists the files whose coming and going changes what is seen.
func (v *view) files(ctx context.Context) (s fileSet, err error) {
	s = fileSet{make(id.Set), make(id.Set)}
	err = v.repo.ListFiles(ctx, repository.SnapshotFile, func(i id.ID, _ int64) error {
		s.snapshots.Add(i)
		return nil
	})
	if err != nil {
		return s, err
	}
	err = v.repo.ListFiles(ctx, repository.IndexFile, func(i id.ID, _ int64) error {
		s.indexes.Add(i)
		return nil
	})
	return s, err
}

// list loads the snapshots; those that are known are taken over.
func (v *view) list(ctx context.Context, known []*snapshot.Snapshot) (err error) {
	if v.seen, err = v.files(ctx); err != nil {
		return err
	}
	byID := make(map[id.ID]*snapshot.Snapshot, len(known))
	for _, s := range known {
		byID[s.ID] = s
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(loadsAtOnce)
	for i := range v.seen.snapshots {
		if s := byID[i]; s != nil {
			mu.Lock()
			v.snapshots = append(v.snapshots, s)
			mu.Unlock()
			continue
		}
		g.Go(func() error {
			s, err := v.repo.LoadSnapshot(ctx, i)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				v.snapshots = append(v.snapshots, s)
			case repository.IsCorrupt(err):
				v.damage = append(v.damage, api.Damage{Path: i.String(), What: err.Error()})
			case !errors.Is(err, storage.ErrNotFound): // removed since it was listed
				return err
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	v.snapshots = snapshot.Sorted(v.snapshots)
	slices.Reverse(v.snapshots)
	v.store.views.Add(1)
	return nil
}

// loadsAtOnce bounds the small files that are read in parallel.
const loadsAtOnce = 8

// loadIndex makes sure that the index is there. It is loaded once, for all who
// wait for it, and goes on when they leave.
func (v *view) loadIndex(ctx context.Context) error {
	v.indexing.Lock()
	x := v.index
	if x == nil {
		x = &indexing{done: make(chan struct{})}
		v.index = x
		v.hold()
		v.place.b.work.Go(func() {
			defer v.release()
			v.readIndex(x)
		})
	}
	v.indexing.Unlock()
	patience := time.NewTimer(v.place.b.limits.answerWithin)
	defer patience.Stop()
	select {
	case <-x.done:
		return x.err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-patience.C:
		return fmt.Errorf("%w: the index of repository %s is being read, which takes longer than %v the first time; try again in a minute",
			api.ErrUnavailable, v.place.name, v.place.b.limits.answerWithin)
	}
}

func (v *view) readIndex(x *indexing) {
	ctx, cancel := context.WithTimeout(v.place.b.ctx, openWithin)
	defer cancel()
	err := v.repo.LoadIndex(ctx)
	if _, ok := repository.DamagedIndexFiles(err); ok && err != nil { // what the others list can be read
		v.place.b.o.Log.Warn("index of a repository", "repository", v.place.name, "error", err)
		err = nil
	}
	v.indexing.Lock()
	defer v.indexing.Unlock()
	if err != nil {
		x.err, v.index = v.place.b.unavailable(v.place.name, err), nil
	} else {
		v.fs = snapfs.NewShared(v.repo, blobBytes)
		v.trees = v.fs.At(id.ID{})
	}
	close(x.done)
}

func (v *view) hold() {
	v.place.mu.Lock()
	v.users++
	v.place.mu.Unlock()
}

// release ends one use of the view.
func (v *view) release() {
	v.place.mu.Lock()
	defer v.place.mu.Unlock()
	v.users--
	v.place.touch()
	v.closeIfUnused()
}

// closeIfUnused closes what nobody looks at any more. place.mu is held.
func (v *view) closeIfUnused() {
	if !v.retired || v.users > 0 {
		return
	}
	err := v.repo.Close()
	if v.store.views.Add(-1) == 0 {
		err = errors.Join(err, storage.Close(v.store.Store))
	}
	if err != nil {
		v.place.b.o.Log.Warn("close a repository", "repository", v.place.name, "error", err)
	}
}

// freeMemory gives back what deriving a key or reading a large folder took.
func freeMemory() { debug.FreeOSMemory() }
