package browse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"holdfast/internal/api"
	"holdfast/internal/app"
	"holdfast/internal/config"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/storage"
)

const (
	// openAtOnce bounds the repositories that are open.
	openAtOnce = 4
	// openWithin bounds the work of opening one, or of reading its index, which
	// goes on while nobody waits for it.
	openWithin = 10 * time.Minute
	// listingBytes bounds what is kept of the folders that were read.
	listingBytes = 32 << 20
	// treeBytes bounds the JSON of the folders that are being read, folderBytes
	// that of one: some 350,000 entries.
	treeBytes   = 64 << 20
	folderBytes = 128 << 20
	// blobBytes bounds the blobs that each repository keeps.
	blobBytes = 8 << 20
	// searchesAtOnce bounds searches, comparisons and counts, downloadsAtOnce
	// downloads, which load four blobs ahead each.
	searchesAtOnce  = 2
	downloadsAtOnce = 4
)

// limits are the times after which something is done otherwise.
type limits struct {
	// keepFor is how long a repository stays open that nobody asks for.
	keepFor time.Duration
	// refreshAfter is how old a list of snapshots may get.
	refreshAfter time.Duration
	// answerWithin bounds what a page waits for a repository.
	answerWithin time.Duration
	// patience is how long an operation of a store is tried again.
	patience time.Duration
	// askAgainAfter is when one that did not answer is asked again.
	askAgainAfter time.Duration
}

var usualLimits = limits{
	keepFor: 5 * time.Minute, refreshAfter: 2 * time.Second, answerWithin: 8 * time.Second,
	patience: 5 * time.Second, askAgainAfter: 30 * time.Second,
}

// Options say what may be looked into.
type Options struct {
	// Config returns the configuration as it is now.
	Config func() *config.Config
	// CacheDir is the folder of the cache, "" for none.
	CacheDir string
	Log      *slog.Logger
}

// Browser looks into the repositories of a configuration. Errors wrap those of
// package api. It may be used from many goroutines at once.
type Browser struct {
	o      Options
	limits limits
	// open opens stores; tests put slow and failing ones there.
	open func(context.Context, string, app.StoreOptions) (storage.Store, error)

	// ctx ends with the Browser, and so does work that nobody waits for.
	ctx  context.Context //nolint:containedctx // it is that of the Browser's own goroutines
	stop context.CancelFunc
	work sync.WaitGroup

	mu     sync.Mutex
	places map[string]*place

	deriving  sync.Mutex
	listings  *listings
	trees     *semaphore.Weighted
	searches  *semaphore.Weighted
	downloads *semaphore.Weighted
	records   records
	chains    chains
}

var _ api.Browser = (*Browser)(nil)

// New returns a Browser. Nothing is opened yet.
func New(o Options) *Browser {
	b := &Browser{
		o: o, limits: usualLimits, open: app.OpenStore, places: make(map[string]*place), listings: newListings(listingBytes),
		trees: semaphore.NewWeighted(treeBytes), searches: semaphore.NewWeighted(searchesAtOnce), downloads: semaphore.NewWeighted(downloadsAtOnce),
	}
	b.ctx, b.stop = context.WithCancel(context.Background())
	return b
}

// Close closes all repositories. No other method may run or be called any more.
func (b *Browser) Close() error {
	b.stop()
	b.work.Wait()
	for _, p := range b.places {
		p.shut()
	}
	return nil
}

// Changed says that something changed in repositories, as a run that ended did:
// whoever asks from now on sees it.
func (b *Browser) Changed(repositories ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range repositories {
		if p := b.places[name]; p != nil {
			p.change()
		}
	}
}

// view returns what is seen of a repository; the caller releases it.
func (b *Browser) view(ctx context.Context, name string) (*view, error) {
	cfg, ok := b.o.Config().Repositories[name]
	if !ok {
		return nil, fmt.Errorf("%w: there is no repository %q in holdfast.yaml", api.ErrNotFound, name)
	}
	return b.place(name).view(ctx, cfg)
}

// place returns the place of a name, and closes the one that was not used for
// the longest time if too many are open.
func (b *Browser) place(name string) *place {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.places[name]
	if p == nil {
		p = &place{b: b, name: name}
		b.places[name] = p
	}
	open := 0
	var oldest *place
	var since time.Time
	for _, other := range b.places {
		if other == p {
			continue
		}
		other.mu.Lock()
		if other.current != nil {
			open++
			if oldest == nil || other.used.Before(since) {
				oldest, since = other, other.used
			}
		}
		other.mu.Unlock()
	}
	if open >= openAtOnce {
		oldest.mu.Lock()
		oldest.retire()
		oldest.mu.Unlock()
	}
	return p
}

// reading calls do with what is seen of a repository or, if that cannot be
// opened, of the first of its copies that can.
func (b *Browser) reading(ctx context.Context, name string, do func(v *view, instead *api.Instead) error) error {
	v, err := b.view(ctx, name)
	if err == nil {
		defer v.release()
		return do(v, nil)
	}
	if !errors.Is(err, api.ErrUnavailable) {
		return err
	}
	cfg := b.o.Config()
	for _, copied := range cfg.CopiesOf(cfg.Repositories[name].URL) {
		v, copyErr := b.view(ctx, copied)
		if copyErr == nil {
			defer v.release()
			return do(v, &api.Instead{Repository: copied, Why: err.Error()})
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return err
}

type elsewhereKey struct{}

// elsewhere gets a blob that a repository does not give from one of its copies.
func (b *Browser) elsewhere(ctx context.Context, of *view, h blob.Handle, cause error) ([]byte, error) {
	if errors.Is(cause, storage.ErrNotFound) || errors.Is(cause, repository.ErrNotIndexed) {
		of.stale.Store(true) // removed since: the next view knows more
	}
	if ctx.Value(elsewhereKey{}) != nil { // a copy that is asked asks nobody
		return nil, cause
	}
	ctx = context.WithValue(ctx, elsewhereKey{}, true)
	cfg := b.o.Config()
	copies := cfg.CopiesOf(cfg.Repositories[of.place.name].URL)
	if len(copies) == 0 {
		return nil, errors.New("there is no copy to read it from")
	}
	for _, name := range copies {
		plain, err := b.blobOf(ctx, name, h)
		if err == nil {
			noteInstead(ctx, name, cause)
			b.o.Log.Warn("read from a copy instead", "repository", of.place.name, "copy", name, "error", cause)
			return plain, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return nil, errors.New("no copy gives it either")
}

func (b *Browser) blobOf(ctx context.Context, name string, h blob.Handle) ([]byte, error) {
	v, err := b.view(ctx, name)
	if err != nil {
		return nil, err
	}
	defer v.release()
	if err := v.loadIndex(ctx); err != nil {
		return nil, err
	}
	return v.repo.LoadBlob(ctx, h, nil)
}

type noteKey struct{}

// note tells which copy gave something that a repository did not.
type note struct {
	mu      sync.Mutex
	instead *api.Instead
}

// withNote returns a context in which it is noted that a copy was read.
func withNote(ctx context.Context) (context.Context, *note) {
	n := new(note)
	return context.WithValue(ctx, noteKey{}, n), n
}

func noteInstead(ctx context.Context, name string, cause error) {
	if n, ok := ctx.Value(noteKey{}).(*note); ok {
		n.mu.Lock()
		n.instead = &api.Instead{Repository: name, Why: cause.Error()}
		n.mu.Unlock()
	}
}

func (n *note) get() *api.Instead {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.instead
}
