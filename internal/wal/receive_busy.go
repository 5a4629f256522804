package wal

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// noticeWithin is how long a loaded server may take to let go of the slot of
	// a connection that has ended.
	noticeWithin = 10 * time.Second
	// longestNotice bounds what wal_sender_timeout says of how long a server
	// holds the slot of a host that is gone, and stands for it where it is off.
	longestNotice = 5 * time.Minute
	// The first and the longest pause between two tries.
	freePause, freePauseMost = 50 * time.Millisecond, 2 * time.Second
)

// untilFree tries again while the slot is in use: a server holds that of a
// receiver that was killed until it notices, and that of one whose host is gone
// for wal_sender_timeout. After that, somebody else uses it.
func (o ReceiveOptions) untilFree(ctx context.Context, try func() error) error {
	err := try()
	if !hasCode(err, objectInUse) {
		return err
	}
	within := o.noticesWithin(ctx) + noticeWithin
	if o.Busy != nil {
		o.Busy(err, within)
	}
	pause := freePause
	for deadline := time.Now().Add(within); time.Now().Before(deadline); pause = min(2*pause, freePauseMost) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		if err = try(); !hasCode(err, objectInUse) {
			return err
		}
	}
	return fmt.Errorf("%w; another receiver runs with this slot: end it, or give this one a slot of its own (slot, in the source)", err)
}

// noticesWithin asks the server after what time it takes a receiver that says
// nothing for gone.
func (o ReceiveOptions) noticesWithin(ctx context.Context) time.Duration {
	conn, err := connect(ctx, o.DSN)
	if err != nil {
		return 0 // the next try tells
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is left to say
	timeout, err := senderTimeout(ctx, conn)
	if err != nil || timeout <= 0 {
		return longestNotice
	}
	return min(timeout, longestNotice)
}

// senderTimeout is wal_sender_timeout; 0 if it is off.
func senderTimeout(ctx context.Context, conn *pgconn.PgConn) (time.Duration, error) {
	value, err := show(ctx, conn, "wal_sender_timeout")
	if err != nil {
		return 0, err
	}
	var count int64
	var unit string
	if n, _ := fmt.Sscanf(value, "%d%s", &count, &unit); n == 0 { //nolint:errcheck // 0 has no unit
		return 0, fmt.Errorf("the server says that wal_sender_timeout is %q", value)
	}
	units := map[string]time.Duration{"ms": time.Millisecond, "s": time.Second, "min": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
	return time.Duration(count) * units[unit], nil
}
