package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// fallbackPatience is how long a place is tried that has copies elsewhere,
// instead of the quarter of an hour after which others give up.
const fallbackPatience = 30 * time.Second

// registerFallback adds the flags of a command that reads from another copy
// what the repository does not give.
func (c *command) registerFallback(fl *pflag.FlagSet) {
	fl.StringArrayVar(&c.global.fallbacks, "fallback", nil, "`repository` to read from what this one does not give (may be repeated; default: the copies that holdfast.yaml has of it; password: as there, HOLDFAST_FALLBACK_PASSWORD[_FILE|_COMMAND], or the same)")
	fl.BoolVar(&c.global.noFallback, "no-fallback", false, "read from this repository alone")
}

// reading opens the repository for a command that only reads, locks it, loads
// its snapshots and index, and does the work. What is damaged in it, or cannot
// be reached, is read from its copies, and where it cannot be used at all, one
// of them takes its place. Each cause is told once.
func (c *command) reading(ctx context.Context, do func(ctx context.Context, r *repository.Repository, snapshots []*snapshot.Snapshot) error) error {
	main, err := c.place()
	if err != nil {
		return err
	}
	others, err := c.fallbacks(main)
	if err != nil {
		return err
	}
	if len(others) == 0 {
		return c.loadedWork(ctx, do)
	}
	f := newFallback(c, append([]place{main}, others...))
	return errors.Join(f.read(ctx, func(ctx context.Context, _ int, r *repository.Repository, list []*snapshot.Snapshot) error {
		return do(ctx, r, list)
	}), f.close())
}

// fallbacks returns the places of the copies of a repository: those that flags
// name or, without any, those that share a plan with it in holdfast.yaml.
func (c *command) fallbacks(main place) ([]place, error) {
	if c.global.noFallback {
		return nil, nil
	}
	var places []place
	for _, url := range c.global.fallbacks {
		p, err := c.otherPlace(url, otherFlags{word: "fallback"}, main)
		if err != nil {
			return nil, err
		}
		places = append(places, p)
	}
	if len(places) > 0 || main.configured == nil {
		return places, nil
	}
	cfg, err := c.loadConfig()
	if err != nil {
		return nil, err
	}
	for _, name := range cfg.CopiesOf(main.configured.URL) {
		places = append(places, c.namedPlace(name, cfg.Repositories[name]))
	}
	return places, nil
}

// fallback is a repository and its copies, the one to be used first.
type fallback struct {
	*command
	places []place

	mu      sync.Mutex
	sources []*fallbackSource
	told    map[string]struct{}
}

// fallbackSource is one of the places, opened when it is first needed.
type fallbackSource struct {
	mu     sync.Mutex
	place  place
	tried  bool
	broken error // why it cannot be used
	repo   *repository.Repository
}

func newFallback(c *command, places []place) *fallback {
	patient := *c
	patient.global.patience = fallbackPatience
	f := &fallback{command: &patient, places: places, told: make(map[string]struct{})}
	for _, p := range places {
		f.sources = append(f.sources, &fallbackSource{place: p})
	}
	return f
}

// tryNextError says that a place could not do all of the work, and that the
// next one may do the rest.
type tryNextError struct{ error }

func (e *tryNextError) Unwrap() error { return e.error }

// read does the work with the first of the places that can be used, whose number
// it is told.
func (f *fallback) read(ctx context.Context, do func(context.Context, int, *repository.Repository, []*snapshot.Snapshot) error) error {
	var failed []error
	for n := range f.places {
		began := false
		err := f.readFrom(ctx, n, func(ctx context.Context, r *repository.Repository, list []*snapshot.Snapshot) error {
			began = true
			return do(ctx, n, r, list)
		})
		var next *tryNextError
		goesOn := errors.As(err, &next) || !began && !isFinal(err)
		if err == nil || ctx.Err() != nil || !goesOn {
			return err
		}
		failed = append(failed, err)
		if next == nil {
			f.sources[n].giveUp(err)
		}
		if n+1 < len(f.places) {
			f.tellNext(n, err, next != nil)
		}
	}
	return errors.Join(failed...)
}

// tellNext says that the work goes on with the next place.
func (f *fallback) tellNext(n int, err error, began bool) {
	why := "cannot be used"
	if began {
		why = "lacks something"
	}
	f.ui.warn("fallback", "", fmt.Errorf("%s %s: %w\nreading the copy at %s instead", f.places[n].url, why, err, f.places[n+1].url))
}

// isFinal tells whether an error is one that the user must deal with, and no
// reason to use another copy.
func isFinal(err error) bool {
	var locked *repository.LockedError
	return errors.Is(err, repository.ErrWrongPassword) || errors.Is(err, repository.ErrUnknownVersion) || errors.As(err, &locked)
}

// readFrom does the work with one of the places, and with the others behind it.
func (f *fallback) readFrom(ctx context.Context, n int, do func(context.Context, *repository.Repository, []*snapshot.Snapshot) error) error {
	r, err := f.openPlaceWith(ctx, f.places[n], func(o *repository.Options) {
		o.Elsewhere = func(ctx context.Context, h blob.Handle, cause error) ([]byte, error) {
			return f.elsewhere(ctx, n, h, cause)
		}
	})
	if err != nil {
		return err
	}
	err = f.loaded(ctx, r, do)
	if n > 0 && errors.Is(err, storage.ErrReadOnly) { // then nobody else removes anything either
		unlocked := *f.command
		unlocked.global.noLock = true
		err = unlocked.loaded(ctx, r, do)
	}
	return errors.Join(err, r.Close())
}

// elsewhere gets a blob from another place than the n-th.
func (f *fallback) elsewhere(ctx context.Context, n int, h blob.Handle, cause error) ([]byte, error) {
	var errs []error
	for k, s := range f.sources {
		if k == n {
			continue
		}
		r, err := s.open(ctx, f)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		plain, err := r.LoadBlob(ctx, h, nil)
		if err == nil {
			f.tell(cause, f.places[n].url, s.place.url)
			return plain, nil
		}
		errs = append(errs, fmt.Errorf("copy at %s: %w", s.place.url, err))
	}
	return nil, errors.Join(errs...)
}

// tell says, once for each cause, that another copy was read.
func (f *fallback) tell(cause error, from, to string) {
	what := fmt.Sprintf("%s: %v", from, cause)
	key := from + " is down"
	var damage *repository.CorruptError
	switch {
	case errors.As(cause, &damage):
		key = damage.Kind.String() + damage.ID.String()
	case errors.Is(cause, repository.ErrNotIndexed):
		key = from + " lacks blobs"
	case errors.Is(cause, storage.ErrNotFound):
		key = from + " lacks packs"
	}
	f.mu.Lock()
	_, known := f.told[key]
	f.told[key] = struct{}{}
	f.mu.Unlock()
	if !known {
		f.ui.warn("fallback", "", fmt.Errorf("%s\nreading the copy at %s instead; `holdfast repair --from %s` heals damage", what, to, to))
	}
}

// open opens the place for reading what others lack, without a lock: it is
// read now and then, and whatever a prune takes away meanwhile is missed
// loudly.
func (s *fallbackSource) open(ctx context.Context, f *fallback) (*repository.Repository, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tried {
		return s.repo, s.broken
	}
	s.tried = true
	r, err := f.openPlaceWith(ctx, s.place, func(o *repository.Options) { o.ReadOnly = true })
	if err == nil {
		if err = r.LoadIndex(ctx); err != nil {
			err = errors.Join(err, r.Close())
		}
	}
	if err != nil {
		s.broken = fmt.Errorf("copy at %s: %w", s.place.url, err)
		f.ui.warn("fallback", "", s.broken)
		return nil, s.broken
	}
	s.repo = r
	return r, nil
}

// giveUp notes that a place cannot be used at all.
func (s *fallbackSource) giveUp(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.tried {
		s.tried, s.broken = true, fmt.Errorf("copy at %s: %w", s.place.url, err)
	}
}

func (f *fallback) close() error {
	var errs []error
	for _, s := range f.sources {
		s.mu.Lock()
		if s.repo != nil {
			errs = append(errs, s.repo.Close())
			s.repo = nil
		}
		s.mu.Unlock()
	}
	return errors.Join(errs...)
}
