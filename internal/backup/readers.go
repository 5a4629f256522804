package backup

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/source"
)

// paceInterval is how long throughput is measured before it says something:
// many small files, or a few chunks of large ones.
const paceInterval = 500 * time.Millisecond

// fileWork is the work of a file beside its bytes: about as much as reading
// so many, more on disks that seek.
const fileWork = 64 << 10

// readers are the goroutines that read files.
type readers struct {
	pace *pace
	// wanted is how many there should be, running how many there are.
	wanted, running atomic.Int32
	// waited tells that one of them found nothing to do: then throughput says
	// nothing about the medium.
	waited atomic.Bool
	// done is closed when there will be no more files.
	done chan struct{}
}

// concurrency returns how many files may be read at once.
func (o *Options) concurrency() source.Concurrency {
	switch {
	case o.Readers > 0:
		return source.Exactly(o.Readers)
	case o.Concurrency != source.Concurrency{}:
		return o.Concurrency
	}
	return source.Exactly(workers())
}

// startReaders starts reading, and watching how fast that is.
func (a *archiver) startReaders(ctx context.Context, g *errgroup.Group) {
	r := &a.readers
	r.pace, r.done = newPace(a.options.concurrency()), make(chan struct{})
	a.setReaders(ctx, g, r.pace.readers)
	if !r.pace.fixed() {
		g.Go(func() error { a.watchReaders(ctx, g); return nil })
	}
}

// setReaders starts as many readers as are missing. Those that are too many
// end when they are through with what they have.
func (a *archiver) setReaders(ctx context.Context, g *errgroup.Group, n int) {
	r := &a.readers
	r.wanted.Store(int32(n)) //nolint:gosec // a few
	for r.running.Load() < r.wanted.Load() {
		r.running.Add(1)
		g.Go(func() error { return a.readFiles(ctx) })
	}
}

// leave tells a reader to end because there are too many.
func (r *readers) leave() bool {
	for {
		n := r.running.Load()
		if n <= r.wanted.Load() {
			return false
		}
		if r.running.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// watchReaders measures throughput and follows the pace, until there are no
// more files.
func (a *archiver) watchReaders(ctx context.Context, g *errgroup.Group) {
	r := &a.readers
	tick := time.NewTicker(paceInterval)
	defer tick.Stop()
	last, since := a.work(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.done:
			return
		case <-tick.C:
		}
		done, now := a.work(), time.Now()
		if !r.waited.Swap(false) && done > last {
			a.setReaders(ctx, g, r.pace.measured(float64(done-last)/now.Sub(since).Seconds()))
		}
		last, since = done, now
	}
}

// work returns the work of reading so far.
func (a *archiver) work() uint64 {
	p := a.progress
	return p.BytesRead.Load() + fileWork*(p.FilesNew.Load()+p.FilesChanged.Load())
}
