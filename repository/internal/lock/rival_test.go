package lock

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// withRival does something after a while beside somebody who, after another, changes
// everything under an exclusive lock. Locks take up to saves to be written, and
// state is what is there to be changed.
func withRival(t *testing.T, seed, stream uint64, saves time.Duration, do func(f *folder, state *int)) {
	random := rand.New(rand.NewPCG(seed, stream))
	var one sync.Mutex
	within := func(upTo time.Duration) time.Duration {
		one.Lock()
		defer one.Unlock()
		return time.Duration(random.Int64N(int64(upTo)))
	}
	delays := func(upTo time.Duration) func(context.Context) error {
		return func(ctx context.Context) error { return sleep(ctx, within(upTo)) }
	}
	f := newFolder()
	f.onSave, f.onList = delays(saves), delays(settleTime/2)
	state, theirs, ours, lasts := 0, within(4*settleTime), within(4*settleTime), within(settleTime/4)
	done := make(chan struct{})
	go func() {
		defer close(done)
		time.Sleep(theirs)
		l, _, err := Acquire(t.Context(), f, Options{Exclusive: true})
		if err != nil {
			return
		}
		time.Sleep(lasts)
		state++
		unlock(t, l)
	}()
	time.Sleep(ours)
	do(f, &state)
	<-done
}
