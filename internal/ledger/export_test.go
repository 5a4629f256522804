package ledger

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Forget has the engine forget all superseded values, as it does by itself in
// time.
func (l *Ledger) Forget(ctx context.Context) error {
	now, err := l.client.Get(ctx, valueRoot, clientv3.WithCountOnly())
	if err != nil {
		return err
	}
	_, err = l.client.Compact(ctx, now.Header.GetRevision(), clientv3.WithCompactPhysical())
	return err
}

// Shrink is what is done every hour.
func (l *Ledger) Shrink() error { return l.shrink() }
