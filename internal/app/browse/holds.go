package browse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/hold"
	"holdfast/repository"
)

// Holds returns what is held in a repository, the oldest first.
func (b *Browser) Holds(ctx context.Context, name string) ([]api.Hold, error) {
	v, err := b.view(ctx, name)
	if err != nil {
		return nil, err
	}
	defer v.release()
	held, err := hold.Active(ctx, v.repo)
	if err != nil {
		return nil, v.explain("what is held", err)
	}
	list := []api.Hold{}
	for _, h := range held {
		list = append(list, api.Hold{ID: h.ID, Plan: h.Plan, Source: h.Source, Since: h.Time, By: string(h.By), Reason: h.Reason})
	}
	return list, nil
}

// heldNow is what was held when it was last looked, for pages.
type heldNow struct {
	mu sync.Mutex
	// asked is when the last look began, at when it ended.
	asked, at time.Time
	holds     []hold.Hold
	err       error
}

// held returns what is held, as it was known a short while ago.
func (v *view) held(ctx context.Context) ([]hold.Hold, error) {
	h := &v.place.held
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.at) > v.place.b.limits.refreshAfter || v.place.changedSince(h.asked) {
		asked := time.Now()
		holds, err := hold.Active(ctx, v.repo)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		h.holds, h.err, h.asked, h.at = holds, err, asked, time.Now()
	}
	return h.holds, h.err
}

// forgetHeld has it looked at again what is held.
func (p *place) forgetHeld() {
	p.held.mu.Lock()
	defer p.held.mu.Unlock()
	p.held.at = time.Time{}
}

// PlaceHold holds snapshots, in the name of who asks (api.PrincipalOf).
func (b *Browser) PlaceHold(ctx context.Context, name string, q api.HoldRequest) error {
	reason := oneLine(q.Reason)
	if reason == "" {
		return fmt.Errorf("%w: say why: others will ask", api.ErrInvalid)
	}
	if _, ok := b.o.Config().Plans[q.Plan]; q.Plan != "" && !ok {
		return fmt.Errorf("%w: there is no plan %q in holdfast.yaml", api.ErrNotFound, q.Plan)
	}
	return b.writing(ctx, name, func(ctx context.Context, r *repository.Repository) error {
		_, err := hold.Place(ctx, r, hold.Hold{By: hold.Person, Plan: q.Plan, Source: q.Source, Reason: reason + asker(ctx)})
		return err
	})
}

// ReleaseHold ends a hold, in the name of who asks.
func (b *Browser) ReleaseHold(ctx context.Context, name, id, reason string) error {
	return b.writing(ctx, name, func(ctx context.Context, r *repository.Repository) error {
		why := oneLine(reason)
		if why == "" {
			why = "released"
		}
		_, err := hold.Release(ctx, r, id, hold.Person, why+asker(ctx))
		if errors.Is(err, hold.ErrNone) {
			return fmt.Errorf("%w: %w", api.ErrNotFound, err)
		}
		return err
	})
}

// oneLine makes what somebody typed one line of a bearable length.
func oneLine(text string) string {
	const most = 500
	text = strings.Join(strings.Fields(text), " ")
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

// asker names who asks, for the record.
func asker(ctx context.Context) string {
	if p, ok := api.PrincipalOf(ctx); ok && p.Name != "" {
		return " (" + p.Name + ")"
	}
	return ""
}

// writing calls do with a repository that may be written to, under a shared
// lock: whoever has it for himself goes first.
func (b *Browser) writing(ctx context.Context, name string, do func(context.Context, *repository.Repository) error) error {
	v, err := b.view(ctx, name)
	if err != nil {
		return err
	}
	defer v.release()
	o := b.repositoryOptions(v, b.o.Config().Repositories[name])
	o.ReadOnly = false
	r, err := v.repo.OpenMirror(ctx, v.store, o) // the key is there already
	if err != nil {
		return b.unavailable(name, err)
	}
	lock, ctx, err := r.Lock(ctx, repository.Shared, repository.LockOptions{})
	if err != nil {
		return errors.Join(b.unavailable(name, err), r.Close())
	}
	err = do(ctx, r)
	if err != nil && !errors.Is(err, api.ErrNotFound) {
		err = b.unavailable(name, err)
	}
	v.place.forgetHeld()
	return errors.Join(err, lock.Unlock(), r.Close())
}

// Write calls do with a repository that may be written to: for records that
// belong to no snapshot.
func (b *Browser) Write(ctx context.Context, name string, do func(context.Context, *repository.Repository) error) error {
	return b.writing(ctx, name, do)
}
