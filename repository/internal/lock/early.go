package lock

import "context"

// A lock that is handed out while it settles: see Options.Early. That what is
// read under it can be believed is said where Meanwhile is: meanwhile.go.

// settling is the wait for such a lock to be certain.
type settling struct {
	release func()        // lets the changes pass that were held back
	over    chan struct{} // closed when it is known what became of the lock
	err     error         // why there is none
}

// early tells whether the work may begin while the lock settles. Whoever would
// wait for a lock waits for it to settle, too: work that has begun cannot be put
// off when somebody else turns out to have been faster.
func (o *Options) early() bool {
	return o.Early && o.Hold != nil && !o.Exclusive && o.Retry == 0
}

// handOut marks a lock as one that still has to settle.
func (l *Lock) handOut() {
	l.settling = &settling{release: l.options.Hold(), over: make(chan struct{})}
}

// settle lets the changes pass once the lock is certain. When somebody else was
// faster it ends the context of the work, and what was held back with it.
func (l *Lock) settle(ctx context.Context) {
	s := l.settling
	if s == nil {
		return
	}
	defer close(s.over)
	if s.err = sleep(ctx, settleTime); s.err == nil {
		s.err = l.checkOthers(ctx, l.files)
	}
	if s.err != nil {
		s.err = &lateError{s.err}
		l.cancel(s.err)
		return
	}
	s.release()
}

// Certain returns when the lock is certain, which only one taken with
// Options.Early may not be from the beginning. An error, such as a
// *ConflictError, says that there is none: nothing was changed under it, and
// nothing that was found out counts.
func (l *Lock) Certain(ctx context.Context) error {
	if l.settling == nil {
		return nil
	}
	select {
	case <-l.settling.over:
		return l.settling.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lateError is why there is no lock, found out when the work under it had begun:
// to that it is as if the lock was lost.
type lateError struct{ error }

func (e *lateError) Unwrap() error { return e.error }

// Is makes it an ErrLost.
func (e *lateError) Is(target error) bool { return target == ErrLost }
