package ledger

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Change is one thing that a Watch saw.
type Change struct {
	// Key is the value's key; "" says that changes were missed, because they
	// were not read for longer than superseded values are kept: List again.
	Key      string
	Revision Revision
	// Deleted tells that the value is gone; Decode reads it otherwise.
	Deleted bool
	Decode  func(v any) error
}

// Watch tells of every change, from when it returns, to values whose keys
// begin with prefix, in their order. The channel is closed when ctx ends, or
// the ledger.
func (l *Ledger) Watch(ctx context.Context, prefix string) <-chan Change {
	w := &watch{ledger: l, prefix: valueRoot + prefix, changes: make(chan Change), began: make(chan struct{})}
	l.workers.Go(func() {
		defer close(w.changes)
		w.run(ctx)
	})
	select {
	case <-w.began:
	case <-w.changes: // closed: it ended before it began
	}
	return w.changes
}

type watch struct {
	ledger  *Ledger
	prefix  string
	changes chan Change
	began   chan struct{}
	next    int64 // the first revision not told yet, 0 for the one to come
}

// run tells of changes, over again when some were missed.
func (w *watch) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for w.follow(ctx) {
		if !w.tell(ctx, Change{}) {
			return
		}
	}
}

// follow tells of changes until the end, or returns true when some were
// missed.
func (w *watch) follow(ctx context.Context) (missed bool) {
	seen := w.ledger.client.Watch(ctx, w.prefix, clientv3.WithPrefix(), clientv3.WithRev(w.next), clientv3.WithCreatedNotify())
	for {
		select {
		case <-w.ledger.broken.happened:
			return false
		case news, open := <-seen:
			switch {
			case !open:
				return false
			case news.Created && w.next == 0:
				w.next = news.Header.GetRevision() + 1
				close(w.began)
			case news.CompactRevision != 0:
				w.next = news.CompactRevision
				return true
			case !w.tellAll(ctx, news.Events):
				return false
			}
		}
	}
}

func (w *watch) tellAll(ctx context.Context, events []*clientv3.Event) bool {
	for _, e := range events {
		if !w.tell(ctx, change(e)) {
			return false
		}
		w.next = e.Kv.GetModRevision() + 1
	}
	return true
}

func (w *watch) tell(ctx context.Context, c Change) bool {
	select {
	case w.changes <- c:
		return true
	case <-ctx.Done():
	case <-w.ledger.closing:
	case <-w.ledger.broken.happened:
	}
	return false
}

func change(e *clientv3.Event) Change {
	return Change{
		Key:      string(e.Kv.GetKey()[len(valueRoot):]),
		Revision: Revision(e.Kv.GetModRevision()),
		Deleted:  e.Type == pb.Event_DELETE,
		Decode:   func(v any) error { return decodeValue(e.Kv, v) },
	}
}
