package wal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
	"holdfast/storage"
)

// ReceiveOptions tell how Receive works.
type ReceiveOptions struct {
	Archives
	// DSN says how the server is reached, as libpq has it. The user needs
	// the REPLICATION attribute.
	DSN string
	// Slot is the name of the physical replication slot, which is made when
	// it is not there. It keeps WAL on the server until it is archived.
	Slot string
	// Temporary makes a slot that goes away with the connection, and begins
	// with the segment that the server writes now, whatever the archive has:
	// for the time of a backup.
	Temporary bool
	// Adopt takes a server that was restored for the one whose log this is from
	// here on, and one of which nothing tells that its log continues what is
	// archived for one that does.
	Adopt bool
	// Every is the longest that new WAL waits until it is archived as a slice;
	// 0 archives at once whatever has come while the slice before was stored,
	// as synchronous replication needs it.
	Every time.Duration
	// Uploads is how many segments are uploaded at once.
	Uploads int
	// SpoolBytes bounds what has come and is not archived; then nothing more is
	// read from the server, which keeps it. Two segments at least.
	SpoolBytes int64
	// Retained bounds what the slot keeps on the server. Its LetGo is also told
	// of WAL that the server has removed; without it, that ends the receiver.
	Retained
	// Progress, if set, is told how far the work is, now and then.
	Progress func(Received)
	// Busy, if set, is told once that the slot is in use, and for how long it
	// is waited for at most.
	Busy func(why error, within time.Duration)
	// Diverged, if set, is told that the archive has more of a timeline than the
	// server, which left it before: what was committed in between is lost to
	// the server.
	Diverged func(timeline uint32, left, archived postgres.LSN)
}

// Received tells how far a receiver is.
type Received struct {
	System   string
	Timeline uint32
	// Server is the end of the server's WAL, Written of what has come, and
	// Archived of what is durable.
	Server, Written, Archived postgres.LSN
}

// ErrRemoved says that the server does not have the WAL any more that comes
// next: there will be a gap, and a new base backup is needed.
var ErrRemoved = errors.New("the server has removed WAL that is not archived yet")

// Receive archives the WAL of a server as it is written, over a replication
// connection, until ctx ends or the connection does. Called again, it goes on
// exactly where the archive ends.
func Receive(ctx context.Context, o ReceiveOptions) error {
	err := o.untilFree(ctx, func() error { return o.receive(ctx, false) })
	if errors.Is(err, ErrRemoved) && o.LetGo != nil { // go on with what the server has
		err = o.untilFree(ctx, func() error { return o.receive(ctx, true) })
	}
	if _, failed := errors.AsType[archiveError](err); failed {
		err = o.GiveUp(ctx, err)
	}
	return err
}

// GiveUp is what Receive does when the archives cannot be written to, and its
// caller when they cannot even be opened: it lets go of log if the server keeps
// more than Retained.MaxBytes, and returns why it cannot be archived.
func (o ReceiveOptions) GiveUp(ctx context.Context, why error) error {
	if o.MaxBytes <= 0 || ctx.Err() != nil {
		return why
	}
	return errors.Join(why, o.untilFree(ctx, func() error { return o.letGoOfRetained(ctx) }))
}

// archiveError is a failure of the archives, not of the server.
type archiveError struct{ error }

func (e archiveError) Unwrap() error { return e.error }

// way is how a receiver begins.
type way struct {
	// skip has it begin with the first position that the server still has for
	// certain; blind without what is before the end of the archive.
	skip, blind bool
	// made tells that the slot was made for it.
	made bool
}

// receive archives the WAL from the end of the archive on, or, when skip is
// set, from the first position that the server still has for certain.
func (o ReceiveOptions) receive(ctx context.Context, skip bool) error {
	w := way{skip: skip}
	err := o.receiveBy(ctx, &w)
	if errors.Is(err, errNotThere) {
		w.blind = true
		err = o.receiveBy(ctx, &w)
	}
	if w.made && errors.Is(err, storage.ErrConflict) {
		return errors.Join(err, o.dropSlot(ctx)) // it would keep the log of a server that is none of this archive's
	}
	return err
}

func (o ReceiveOptions) receiveBy(ctx context.Context, w *way) error {
	conn, err := connect(ctx, o.DSN)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is left to say
	r := &receiver{o: o, conn: conn, blind: w.blind}
	err = r.prepare(ctx, w.skip)
	w.made = w.made || r.madeSlot
	r.hadSlot = r.hadSlot && !w.made
	if err != nil {
		return fmt.Errorf("receive WAL: %w", err)
	}
	for {
		next, err := r.timelineToEnd(ctx)
		if err != nil {
			return fmt.Errorf("receive WAL: %w", err)
		}
		if err := r.follow(ctx, next); err != nil {
			return fmt.Errorf("receive WAL: %w", err)
		}
	}
}

// connect opens a replication connection, under the name by which a server
// knows a synchronous standby.
func connect(ctx context.Context, dsn string) (*pgconn.PgConn, error) {
	return postgres.Replicate(ctx, dsn, "holdfast", nil)
}

type receiver struct {
	o            ReceiveOptions
	conn         *pgconn.PgConn
	stream       string
	segmentBytes int64

	timeline uint32 // the one being received
	next     uint32 // the one the server is on
	start    postgres.LSN
	covered  postgres.LSN // archived before this process began
	kept     postgres.LSN // from here on the slot keeps WAL; 0 if that is not known

	server postgres.LSN

	// madeSlot tells that the slot was made now, hadSlot that it was there.
	madeSlot, hadSlot bool
	// expected is what must come first, as it is archived; back tells that the
	// segment before comes for that, blind that the server does not have it.
	expected    []*logarchive.Record
	back, blind bool
	// left is where the server has left the timeline being received, if the
	// archive has more of it.
	left postgres.LSN
}

// prepare finds out which cluster this is and where to begin.
func (r *receiver) prepare(ctx context.Context, skip bool) error {
	if err := r.identify(ctx); err != nil {
		return err
	}
	if err := r.mayArchive(ctx); err != nil {
		return err
	}
	if err := r.ensureSlot(ctx); err != nil {
		return err
	}
	if r.madeSlot || r.o.Temporary { // it keeps what is written now, not what was when the server was asked first
		if err := r.identify(ctx); err != nil {
			return err
		}
	}
	if err := r.resume(ctx); err != nil {
		return err
	}
	if skip {
		if err := errors.Join(r.renewSlot(ctx), r.skip()); err != nil {
			return err
		}
	}
	if r.o.Losses != nil {
		if err := r.o.Losses.save(ctx, r.o.Archives, r.o.Noted); err != nil {
			return archiveError{err}
		}
	}
	if r.timeline == r.next {
		return r.archiveHistory(ctx, r.next)
	}
	return nil
}

func (r *receiver) identify(ctx context.Context) error {
	id, err := pglogrepl.IdentifySystem(ctx, r.conn)
	if err != nil {
		return fmt.Errorf("ask the server who it is: %w", err)
	}
	r.stream, r.next, r.server = id.SystemID, uint32(id.Timeline), postgres.LSN(id.XLogPos)
	r.segmentBytes, err = r.segmentSize(ctx)
	return err
}

func (r *receiver) segmentSize(ctx context.Context) (int64, error) {
	value, err := show(ctx, r.conn, "wal_segment_size")
	if err != nil {
		return 0, err
	}
	for _, unit := range []struct {
		suffix string
		bytes  int64
	}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"kB", 1 << 10}} {
		if n := len(value) - len(unit.suffix); n > 0 && value[n:] == unit.suffix {
			count, err := strconv.ParseInt(value[:n], 10, 64)
			if err == nil && postgres.IsSegmentSize(count*unit.bytes) {
				return count * unit.bytes, nil
			}
		}
	}
	return 0, fmt.Errorf("the server says that wal_segment_size is %q", value)
}

func show(ctx context.Context, conn *pgconn.PgConn, setting string) (string, error) {
	results, err := conn.Exec(ctx, "SHOW "+setting).ReadAll()
	if err != nil {
		return "", fmt.Errorf("ask the server for %s: %w", setting, err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 1 {
		return "", fmt.Errorf("ask the server for %s: no answer", setting)
	}
	return string(results[0].Rows[0][0]), nil
}
