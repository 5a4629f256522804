package lock

import (
	"context"
	"errors"
	"time"

	"holdfast/repository/id"
)

// What is read while a lock settles may be believed although the others were
// not looked for once more: whoever works under a conflicting lock has written
// it, waited for settleTime and looked. A lock that we did not see when we
// looked first was written after that; when its holder looked, ours was there
// already if it took less than settleTime to write. So that holder has backed
// out, and is not at work before our lock is gone.

// reading is an early run of Options.Meanwhile.
type reading struct {
	cancel context.CancelFunc
	done   chan error
}

// stamp is an instant on both clocks: see Lock.age.
type stamp struct{ wall, mono time.Time }

func (o *Options) stamp() stamp { return stamp{o.now(), time.Now()} }

// since returns how long ago an instant was, by the clock that says more.
func (o *Options) since(s stamp) time.Duration {
	return max(o.now().Sub(s.wall), time.Since(s.mono))
}

// readEarly begins to read if what is read can be believed: the lock was
// written in time. nil is no reading.
func (o *Options) readEarly(ctx context.Context, inTime bool) *reading {
	if o.Meanwhile == nil || o.Exclusive || !inTime {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &reading{cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- o.Meanwhile(ctx) }() // wait or abandon waits for it
	return r
}

// abandon ends a reading whose result nobody wants.
func (r *reading) abandon() {
	if r != nil {
		r.cancel()
		<-r.done
	}
}

// errNotRead says that nothing was read early.
var errNotRead = errors.New("nothing was read")

func (r *reading) wait() error {
	if r == nil {
		return errNotRead
	}
	defer r.cancel()
	return <-r.done
}

// begin starts to keep the lock, and returns when Meanwhile has read what it
// reads. When that fails there is no lock.
func (l *Lock) begin(ctx context.Context, early *reading) (*Lock, context.Context, error) {
	locked := l.keep(ctx)
	if l.options.Meanwhile == nil || early.wait() == nil {
		return l, locked, nil
	}
	if err := l.options.Meanwhile(locked); err != nil {
		return nil, ctx, errors.Join(err, l.Unlock())
	}
	return l, locked, nil
}

// listedAhead are Files whose first list was asked for beside something else.
type listedAhead struct {
	Files
	locks []listed
	done  chan error // of the list, until it was taken
	used  bool
}

type listed struct {
	id        id.ID
	sizeBytes int64
}

func listAhead(ctx context.Context, f Files) *listedAhead {
	l := &listedAhead{Files: f, done: make(chan error, 1)}
	go func() { // wait waits for it
		l.done <- f.List(ctx, func(i id.ID, sizeBytes int64) error {
			l.locks = append(l.locks, listed{i, sizeBytes})
			return nil
		})
	}()
	return l
}

// wait returns what came of the list. It is called once, before List.
func (l *listedAhead) wait() error { return <-l.done }

// List visits what was listed ahead, and from then on what is there.
func (l *listedAhead) List(ctx context.Context, visit func(id.ID, int64) error) error {
	if l.used {
		return l.Files.List(ctx, visit)
	}
	l.used = true
	for _, found := range l.locks {
		if err := visit(found.id, found.sizeBytes); err != nil {
			return err
		}
	}
	return nil
}
