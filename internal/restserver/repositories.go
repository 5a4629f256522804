package restserver

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"holdfast/storage"
)

// cleanEvery is how often what broken uploads left behind is looked for.
const cleanEvery = 24 * time.Hour

// repositories opens folders as stores, each one once. There are as many
// entries as folders on the disk: those that are not there are not kept.
type repositories struct {
	root string
	open func(dir string, create bool) (storage.Store, error)
	log  *slog.Logger

	mu       sync.Mutex
	opened   map[string]*opened
	cleaning sync.WaitGroup
	stop     context.CancelFunc
	ctx      context.Context // of the cleaning
}

type opened struct {
	store   storage.Store
	cleaned time.Time
}

// get returns the store of a repository; dir has passed storage.CheckKey.
func (r *repositories) get(dir string, create bool) (storage.Store, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opened == nil {
		r.opened = map[string]*opened{}
		r.ctx, r.stop = context.WithCancel(context.Background())
	}
	o := r.opened[dir]
	if o == nil || create {
		local, err := filepath.Localize(dir)
		if dir != "" && err != nil {
			return nil, storage.ErrNotFound
		}
		s, err := r.open(filepath.Join(r.root, local), create)
		if err != nil {
			return nil, err
		}
		o = &opened{store: s}
		r.opened[dir] = o
	}
	r.clean(dir, o)
	return o.store, nil
}

// clean removes, in the background, what uploads left behind that broke off
// because the server was killed.
func (r *repositories) clean(dir string, o *opened) {
	c, ok := storage.As[interface {
		storage.Store
		storage.Cleaner
	}](o.store)
	if !ok || time.Since(o.cleaned) < cleanEvery {
		return
	}
	o.cleaned = time.Now()
	r.cleaning.Go(func() {
		if err := c.Clean(r.ctx); err != nil && r.ctx.Err() == nil {
			r.log.Warn("cleaning up after broken uploads failed", "repository", dir, "error", err)
		}
	})
}

func (r *repositories) close() {
	r.mu.Lock()
	if r.stop != nil {
		r.stop()
	}
	r.mu.Unlock()
	r.cleaning.Wait()
}
