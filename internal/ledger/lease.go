package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// MinTTL is the shortest time to live of a lease: what the engine can tell
// apart from a slow disk.
const MinTTL = 5 * time.Second

// Lease is a name held. It is kept alive by itself; its time is measured as
// time that passes, so that setting the clock neither ends nor prolongs it.
type Lease struct {
	ledger *Ledger
	name   string
	token  Revision
	id     clientv3.LeaseID
	lost   chan struct{}
	stop   context.CancelFunc
	end    func(context.Context) error
}

// Lease takes the lease of a name, or returns ErrHeld. A holder that stands
// still for ttl loses it, and somebody else may take it.
func (l *Ledger) Lease(ctx context.Context, name string, ttl time.Duration) (*Lease, error) {
	ttl = max(ttl, MinTTL)
	var lease *Lease
	err := l.call(ctx, "lease", name, func(ctx context.Context) (err error) {
		lease, err = l.take(ctx, name, ttl)
		return err
	})
	if err != nil {
		return nil, err
	}
	return lease, nil
}

func (l *Ledger) take(ctx context.Context, name string, ttl time.Duration) (*Lease, error) {
	granted, err := l.client.Grant(ctx, int64((ttl+time.Second-1)/time.Second))
	if err != nil {
		return nil, err
	}
	key := leaseRoot + name
	taken, err := l.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, "", clientv3.WithLease(granted.ID))).
		Commit()
	if err == nil && !taken.Succeeded {
		err = ErrHeld
	}
	if err != nil {
		_, revokeErr := l.client.Revoke(context.WithoutCancel(ctx), granted.ID)
		return nil, errors.Join(err, revokeErr)
	}
	lease := &Lease{ledger: l, name: name, token: Revision(taken.Header.GetRevision()), id: granted.ID, lost: make(chan struct{})}
	return lease, lease.keepAlive()
}

func (l *Lease) keepAlive() error {
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	l.end = onceErr(l.release)
	alive, err := l.ledger.client.KeepAlive(ctx, l.id)
	if err != nil {
		cancel()
		return err
	}
	l.ledger.workers.Go(func() {
		defer close(l.lost)
		defer cancel()
		for {
			select {
			case _, open := <-alive:
				if !open {
					return
				}
			case <-l.ledger.broken.happened:
				return
			}
		}
	})
	return nil
}

// Lost is closed when the lease is no longer held: after Release, when the
// holder stood still for too long, and when the ledger ends or fails. Whoever
// works under a lease stops then.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Token is greater than that of every earlier holder of the same name: who is
// told two tokens obeys the greater one.
func (l *Lease) Token() Revision { return l.token }

// Release gives the name back. It may be called more than once.
func (l *Lease) Release() error { return l.end(context.Background()) }

func (l *Lease) release(ctx context.Context) error {
	l.stop()
	<-l.lost
	return l.ledger.call(ctx, "release the lease", l.name, func(ctx context.Context) error {
		_, err := l.ledger.client.Revoke(ctx, l.id)
		if errors.Is(err, rpctypes.ErrLeaseNotFound) { // it had ended
			return nil
		}
		return err
	})
}

func onceErr(f func(context.Context) error) func(context.Context) error {
	var once sync.Once
	var err error
	return func(ctx context.Context) error {
		once.Do(func() { err = f(ctx) })
		return err
	}
}

// endLeases ends those of earlier processes: only one process at a time has
// the folder, so their holders are gone.
func (l *Ledger) endLeases(ctx context.Context) error {
	return l.call(ctx, "end", "the leases of an earlier process", func(ctx context.Context) error {
		old, err := l.client.Leases(ctx)
		if err != nil {
			return err
		}
		for _, lease := range old.Leases {
			if _, err := l.client.Revoke(ctx, lease.ID); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
				return fmt.Errorf("lease %x: %w", lease.ID, err)
			}
		}
		return nil
	})
}
