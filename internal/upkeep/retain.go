package upkeep

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/repository"
	"holdfast/storage"
)

// RetainOptions tell how long objects stay locked.
type RetainOptions struct {
	// Until is the retention that objects get: the mode, and now plus the
	// period that the owner wants.
	Until storage.Retention
	// RenewBefore is the instant before which no retention of a needed object
	// may end; one that does is extended. Halfway to Until is a good choice:
	// each object is then touched once in half a period.
	RenewBefore time.Time
	// Put are objects that this process has put, with the end of the retention
	// they were put with: nobody needs to be asked about them.
	Put map[string]time.Time
	// All asks the store about every object. Otherwise a record in the cache
	// tells until when objects were locked by earlier runs.
	All bool
	// Watch, if set, is told how far the work is, Warn of what does not stop it.
	Watch Watch
	Warn  func(item string, err error)
}

// RetainStats says what a plan found and what executing it did.
type RetainStats struct {
	// Objects is how many objects there are that are worth a lock, Needed how
	// many of the due ones some snapshot needs.
	Objects int `json:"objects"`
	// Due counts those whose retention ends too soon, or is not known.
	Due    int `json:"due"`
	Needed int `json:"needed"`
	// Idle counts due packs that no snapshot needs: their retention may end.
	Idle int `json:"idle"`
	// Extended counts the retentions that were extended, Asked those that
	// were asked for and end late enough; each is one or two requests.
	Extended uint64 `json:"extended"`
	Asked    uint64 `json:"asked"`
	// Gone counts objects that were deleted since they were listed.
	Gone uint64 `json:"gone"`
}

// RetainPlan says which objects will be locked for longer.
type RetainPlan struct {
	Stats RetainStats

	o      RetainOptions
	locker storage.Locker
	record *retentionRecord
	// known are due objects whose end of retention the record tells, unknown
	// those that the store is asked about first.
	known, unknown []string

	extended, asked, gone atomic.Uint64
}

// PlanRetain finds the objects that snapshots need and whose retention ends
// too soon: config, keys, index files, snapshots, packs, and everything below
// holdfast/. A fixed period alone would let old data lapse that every new
// snapshot still shares. The caller holds a lock, so that nothing is deleted
// meanwhile; it loads snapshots and index.
//
// The error wraps storage.ErrUnsupported when the store cannot lock objects.
func PlanRetain(ctx context.Context, r *repository.Repository, o RetainOptions) (*RetainPlan, error) {
	locker, ok := storage.As[storage.Locker](r.Store())
	if !ok {
		return nil, fmt.Errorf("extend retentions at %s: %w", r.Location(), storage.ErrUnsupported)
	}
	if err := locker.CheckLocking(ctx); err != nil {
		return nil, fmt.Errorf("extend retentions at %s: %w", r.Location(), err)
	}
	p := &RetainPlan{o: o, locker: locker}
	s := retainSurvey{RetainPlan: p, repo: r}
	if err := s.run(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// isExempt tells whether an object is never locked, or not by us: locks come
// and go by the minute, receipts of runs by the half hour.
func isExempt(key string) bool {
	return strings.HasPrefix(key, "holdfast/receipts/") || strings.HasPrefix(key, "locks/") || strings.HasPrefix(key, "holdfast/probe/") || strings.HasPrefix(key, "holdfast/tmp/")
}

const (
	// extensionsAtOnce bounds the requests under way: enough to hide the
	// latency of a far store, few enough not to be told to slow down.
	extensionsAtOnce = 16
	// recordEvery is after how many objects the record is saved, so that a
	// killed run does not begin anew.
	recordEvery = 5000
	// maxWarnings bounds how many objects are named that cannot be extended.
	maxWarnings = 20
)

// Execute extends the retentions. All objects are tried; the error tells how
// many failed. It may be cut off anywhere: the next run goes on.
func (p *RetainPlan) Execute(ctx context.Context) error {
	if err := p.record.save(); err != nil { // what the survey has learnt
		p.warn("record of retentions", err)
	}
	counter, done := p.o.Watch.start("extend retentions", Amount{Count: uint64(len(p.known) + len(p.unknown))})
	defer done()
	var failed atomic.Uint64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(extensionsAtOnce)
	each := func(keys []string, do func(context.Context, string) error) {
		for n, key := range keys {
			if gctx.Err() != nil {
				return
			}
			if n%recordEvery == recordEvery-1 {
				if err := p.record.save(); err != nil {
					p.warn("record of retentions", err)
				}
			}
			g.Go(func() error {
				err := do(gctx, key)
				counter.Items.Add(1)
				switch {
				case errors.Is(err, storage.ErrNotFound):
					p.gone.Add(1)
				case err != nil && gctx.Err() == nil:
					if failed.Add(1) <= maxWarnings {
						p.warn(key, err)
					}
				}
				return gctx.Err()
			})
		}
	}
	each(p.known, p.extend)
	each(p.unknown, p.askAndExtend)
	err := g.Wait()
	p.Stats.Extended, p.Stats.Asked, p.Stats.Gone = p.extended.Load(), p.asked.Load(), p.gone.Load()
	if serr := p.record.save(); serr != nil {
		p.warn("record of retentions", serr)
	}
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case failed.Load() > 0:
		return fmt.Errorf("the retention of %d objects could not be extended; the others are; run it again", failed.Load())
	}
	return nil
}

// extend locks an object for the whole period.
func (p *RetainPlan) extend(ctx context.Context, key string) error {
	if err := p.locker.Extend(ctx, key, p.o.Until); err != nil {
		return err
	}
	p.extended.Add(1)
	p.record.set(key, p.o.Until.Until)
	return nil
}

// askAndExtend locks an object unless it is locked for long enough.
func (p *RetainPlan) askAndExtend(ctx context.Context, key string) error {
	now, err := p.locker.Retention(ctx, key)
	if err != nil {
		return err
	}
	p.asked.Add(1)
	strong := now.Mode == storage.Compliance || p.o.Until.Mode != storage.Compliance
	if strong && !now.Until.Before(p.o.RenewBefore) {
		p.record.set(key, now.Until)
		return nil
	}
	return p.extend(ctx, key)
}

func (p *RetainPlan) warn(item string, err error) {
	if p.o.Warn != nil {
		p.o.Warn(item, err)
	}
}
