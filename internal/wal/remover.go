package wal

import (
	"context"
	"errors"
	"sync"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/storage"
)

// remover removes slices whose segments are archived whole. Nobody waits for
// it: what it does not get done, pruning does.
type remover struct {
	archives Archives
	cancel   context.CancelFunc
	lanes    []chan []logarchive.Segment
	running  sync.WaitGroup
}

const (
	// removerWaits bounds the segments whose slices wait to be removed.
	removerWaits = 64
	// removeWithin is how long the end of a receiver waits for it.
	removeWithin = 5 * time.Second
)

func newRemover(ctx context.Context, archives Archives) *remover {
	r := &remover{archives: archives}
	ctx, r.cancel = context.WithCancel(ctx)
	for k := range archives.All {
		lane := make(chan []logarchive.Segment, removerWaits)
		r.lanes = append(r.lanes, lane)
		r.running.Go(func() { r.work(ctx, k, lane) })
	}
	return r
}

func (r *remover) work(ctx context.Context, k int, lane <-chan []logarchive.Segment) {
	for slices := range lane {
		err := r.archives.All[k].Remove(ctx, slices)
		if err == nil || errors.Is(err, storage.ErrImmutable) || ctx.Err() != nil {
			continue // what is locked goes when its retention has ended
		}
		if r.archives.Lagging != nil {
			r.archives.Lagging(r.archives.All[k].Location(), err)
		}
	}
}

// remove has slices removed from all archives, unless one is too far behind.
func (r *remover) remove(slices []logarchive.Segment) {
	if len(slices) == 0 {
		return
	}
	for _, lane := range r.lanes {
		select {
		case lane <- slices:
		default:
		}
	}
}

// close ends the removal.
func (r *remover) close() {
	for _, lane := range r.lanes {
		close(lane)
	}
	stop := time.AfterFunc(removeWithin, r.cancel)
	r.running.Wait()
	stop.Stop()
	r.cancel()
}
