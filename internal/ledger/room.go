package ledger

import (
	"context"
	"log/slog"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// wasteBytes is how much free space the file of the values may hold
	// before it is written anew. It stands still for the time that takes:
	// tens of milliseconds.
	wasteBytes = 16 << 20
	// lookEvery is how often that is looked at.
	lookEvery = time.Hour
)

// keepSmall gives space back, for as long as the ledger is open. Superseded
// values the engine itself forgets.
func (l *Ledger) keepSmall() {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-l.closing:
			return
		case <-l.broken.happened:
			return
		case <-look.C:
			if err := l.shrink(); err != nil {
				l.log.Warn("the ledger's file was not made smaller", slog.Any("error", err))
			}
		}
	}
}

func (l *Ledger) shrink() error {
	values := l.server.Backend()
	if values.Size()-values.SizeInUse() < wasteBytes {
		return nil
	}
	return l.server.Defragment()
}

// makeRoom ends the alarm of an engine that had no space left: it takes no
// write before somebody says that there is some.
func (l *Ledger) makeRoom(ctx context.Context) error {
	return l.call(ctx, "look at", "the alarms", func(ctx context.Context) error {
		alarms, err := l.client.AlarmList(ctx)
		if err != nil || len(alarms.Alarms) == 0 {
			return err
		}
		if err := l.compact(ctx); err != nil {
			return err
		}
		for _, a := range alarms.Alarms {
			if a.GetAlarm() != pb.AlarmType_NOSPACE {
				return ErrDamaged
			}
		}
		_, err = l.client.AlarmDisarm(ctx, &clientv3.AlarmMember{})
		return err
	})
}

// compact forgets all superseded values and gives their space back.
func (l *Ledger) compact(ctx context.Context) error {
	now, err := l.client.Get(ctx, valueRoot, clientv3.WithCountOnly())
	if err != nil {
		return err
	}
	if _, err := l.client.Compact(ctx, now.Header.GetRevision(), clientv3.WithCompactPhysical()); err != nil {
		return err
	}
	return l.server.Defragment()
}
