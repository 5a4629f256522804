package httpx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// watch ends one request when nothing moves on it.
type watch struct {
	caller context.Context // of the one request this watch serves
	ctx    context.Context // the same, ended too when the request stalls
	cancel context.CancelCauseFunc
	stall  time.Duration

	mu    sync.Mutex
	timer *time.Timer
	// uploading tells that the answer has not come yet. A service may answer
	// before it has read all of the body; what is still sent then no longer
	// counts.
	uploading bool
}

func newWatch(ctx context.Context, stall time.Duration) *watch {
	w := &watch{caller: ctx, stall: stall, uploading: true}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(stall, func() { w.cancel(ErrStalled) })
	w.timer.Stop() // until there is a connection
	return w
}

// sending tells that we wait for the service to take bytes, or to answer
// (true), or that it waits for us (false).
func (w *watch) sending(waiting bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.uploading {
		w.set(waiting)
	}
}

// answered tells that the answer has come, or never will.
func (w *watch) answered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.uploading = false
	w.set(false)
}

// receiving tells that we wait for bytes of the answer, or that our caller
// works on those it has.
func (w *watch) receiving(waiting bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set(waiting)
}

func (w *watch) set(waiting bool) {
	if waiting {
		w.timer.Reset(w.stall)
	} else {
		w.timer.Stop()
	}
}

// end releases the watch.
func (w *watch) end() {
	w.receiving(false)
	w.cancel(nil)
}

// explain turns what a request that broke off says into what happened.
func (w *watch) explain(err error) error {
	switch {
	case err == nil || err == io.EOF:
		return err
	case w.caller.Err() != nil:
		return err
	case errors.Is(context.Cause(w.ctx), ErrStalled):
		return fmt.Errorf("%w: nothing moved for %v", ErrStalled, w.stall)
	default:
		return hideContextErrors(err)
	}
}

// sentBody is the body of a request. The time it takes to be read is ours.
type sentBody struct {
	body  io.ReadCloser
	watch *watch
}

func (b *sentBody) Read(p []byte) (int, error) {
	b.watch.sending(false)
	defer b.watch.sending(true)
	return b.body.Read(p)
}

func (b *sentBody) Close() error { return b.body.Close() }

// answerBody is the body of an answer. The time between reads is ours.
type answerBody struct {
	body  io.ReadCloser
	watch *watch
}

func (b *answerBody) Read(p []byte) (int, error) {
	b.watch.receiving(true)
	n, err := b.body.Read(p)
	b.watch.receiving(false)
	return n, b.watch.explain(err)
}

func (b *answerBody) Close() error {
	b.watch.end()
	return b.body.Close()
}
