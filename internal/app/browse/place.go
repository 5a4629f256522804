package browse

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/config"
	"holdfast/repository"
	"holdfast/storage"
)

// place is a repository of the configuration: closed, being opened, or open.
type place struct {
	b    *Browser
	name string

	mu sync.Mutex
	// configured is what it was opened with.
	configured config.Repository
	// opening is the opening, or the look for what is new, that goes on; nil
	// for none.
	opening *opening
	// current is what is seen of it, nil while it is closed.
	current *view
	// failure is why it could not be opened at failedAt, nil if it could.
	failure  error
	failedAt time.Time
	used     time.Time
	idle     *time.Timer
	// changed is when it was last told that the repository changed.
	changed time.Time

	held heldNow
}

// opening is an opening that goes on. err is set when done is closed.
type opening struct {
	began time.Time
	done  chan struct{}
	err   error
}

// view returns what is seen of the repository; the caller releases it. It waits
// no longer than for answerWithin.
func (p *place) view(ctx context.Context, cfg config.Repository) (*view, error) {
	patience := time.NewTimer(p.b.limits.answerWithin)
	defer patience.Stop()
	for {
		v, wait, err := p.try(cfg)
		if err != nil {
			return nil, err
		}
		if wait == nil {
			return v, nil
		}
		select {
		case <-wait.done:
			switch {
			case wait.err == nil && p.changedSince(wait.began): // it may have come too early
				p.releaseIf(v)
				continue
			case v != nil: // what was seen before is better than nothing
				return p.newest(v), nil
			case wait.err != nil:
				return nil, wait.err
			}
		case <-ctx.Done():
			p.releaseIf(v)
			return nil, context.Cause(ctx)
		case <-patience.C:
			if v != nil { // see above
				return v, nil
			}
			return nil, fmt.Errorf("%w: repository %s is being opened, which takes longer than %v; try again in a minute", api.ErrUnavailable, p.name, p.b.limits.answerWithin)
		}
	}
}

// try returns the view if it is fresh. With wait set, something is under way
// that is worth waiting for, and v is what was seen before, if anything.
func (p *place) try(cfg config.Repository) (v *view, wait *opening, err error) {
	if p.b.ctx.Err() != nil {
		return nil, nil, fmt.Errorf("%w: the service is stopping", api.ErrUnavailable)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.touch()
	if p.current != nil && !reflect.DeepEqual(p.configured, cfg) {
		p.retire()
		p.failure = nil
	}
	if v = p.current; v != nil {
		v.users++
		if time.Since(v.checked) < p.b.limits.refreshAfter && v.asked.After(p.changed) && !v.stale.Load() {
			return v, nil, nil
		}
	}
	if p.opening == nil {
		if p.failure != nil && reflect.DeepEqual(p.configured, cfg) && time.Since(p.failedAt) < p.b.limits.askAgainAfter {
			if v != nil {
				return v, nil, nil
			}
			return nil, nil, p.failure
		}
		p.begin(cfg)
	}
	return v, p.opening, nil
}

// begin begins to open the repository, or to look what is new in it. p.mu is
// held.
func (p *place) begin(cfg config.Repository) {
	o := &opening{began: time.Now(), done: make(chan struct{})}
	p.opening, p.configured = o, cfg
	last := p.current
	if last != nil {
		last.users++
	}
	p.b.work.Go(func() {
		defer close(o.done)
		ctx, cancel := context.WithTimeout(p.b.ctx, openWithin)
		defer cancel()
		v, err := p.look(ctx, cfg, last)
		if err != nil {
			o.err = p.b.unavailable(p.name, err)
		}
		p.finish(o, v, last)
	})
}

// look returns a new view, or last itself if nothing changed.
func (p *place) look(ctx context.Context, cfg config.Repository, last *view) (*view, error) {
	if last == nil {
		return p.open(ctx, cfg)
	}
	return last.refresh(ctx)
}

// finish makes the view that an opening led to the current one.
func (p *place) finish(o *opening, v, last *view) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opening = nil
	if v != nil {
		v.asked, v.checked = o.began, time.Now()
	}
	switch {
	case o.err != nil:
		p.failure, p.failedAt = o.err, time.Now()
		p.b.o.Log.Warn("look into a repository", "repository", p.name, "error", o.err)
	case v == last:
		p.failure = nil
	case last != nil && p.current != last: // retired meanwhile
		p.failure = nil
		v.retired = true
		v.closeIfUnused()
	default:
		p.failure = nil
		p.retire()
		p.current = v
	}
	if last != nil {
		last.users--
		last.closeIfUnused()
	}
	p.touch()
}

// change notes that the repository changed: what was seen before is not fresh.
func (p *place) change() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed, p.failure = time.Now(), nil
}

func (p *place) changedSince(t time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed.After(t)
}

// newest returns the current view in place of v, which the caller holds.
func (p *place) newest(v *view) *view {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil || p.current == v {
		return v
	}
	v.users--
	v.closeIfUnused()
	p.current.users++
	return p.current
}

func (p *place) releaseIf(v *view) {
	if v != nil {
		v.release()
	}
}

// down says why the repository does not answer now, "" if it did when it was
// last asked.
func (p *place) down() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure == nil {
		return ""
	}
	return p.failure.Error()
}

// touch puts off the closing. p.mu is held.
func (p *place) touch() {
	p.used = time.Now()
	if p.idle == nil {
		p.idle = time.AfterFunc(p.b.limits.keepFor, p.closeIfIdle)
		return
	}
	p.idle.Reset(p.b.limits.keepFor)
}

// closeIfIdle closes the repository if nobody asked for it for a while. It is
// called by the timer.
func (p *place) closeIfIdle() {
	p.mu.Lock()
	idle := time.Since(p.used) >= p.b.limits.keepFor
	if idle {
		p.retire()
	}
	p.mu.Unlock()
	if idle {
		p.b.listings.drop(p.name)
		freeMemory()
	}
}

// retire lets go of the current view, which closes when nobody uses it any
// more. p.mu is held.
func (p *place) retire() {
	if v := p.current; v != nil {
		p.current, v.retired = nil, true
		v.closeIfUnused()
	}
}

// shut closes the repository for good.
func (p *place) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle != nil {
		p.idle.Stop()
	}
	p.retire()
}

// unavailable says why a repository cannot be looked into, in the words of
// package api.
func (b *Browser) unavailable(name string, err error) error {
	next := "the service tries again by itself"
	var locked *repository.LockedError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &locked):
		return fmt.Errorf("%w: %w", api.ErrConflict, err)
	case errors.Is(err, repository.ErrWrongPassword):
		next = "correct password: of this repository in holdfast.yaml"
	case errors.Is(err, repository.ErrNoRepository):
		next = "is the disk mounted, and the address right? `holdfast plan validate` looks at both"
	case errors.Is(err, storage.ErrSetup):
		next = "look at the credentials; `holdfast plan validate` tries them"
	}
	return fmt.Errorf("%w: repository %s cannot be read: %w; %s", api.ErrUnavailable, name, err, next)
}
