package wal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"

	"holdfast/internal/postgres"
)

// skip goes on with what the server has: what is in between is lost.
func (r *receiver) skip() error {
	to := r.floor(r.server)
	if r.kept > r.start {
		to = r.floor(r.kept)
	}
	err := r.lose(r.covered, to, "the server has removed it before it was archived")
	r.timeline, r.start, r.covered = r.next, to, to
	return err
}

// lose tells that a part of the log is not archived and never will be.
func (r *receiver) lose(from, to postgres.LSN, why string) error {
	if to <= from {
		return nil
	}
	return r.o.LetGo(Loss{
		System: r.stream, Timeline: r.next, Start: from, End: to,
		Name: postgres.SegmentAt(r.next, from, r.segmentBytes).String(),
		Time: time.Now().Truncate(time.Second), Why: why,
	})
}

// errBound ends a receiver whose server keeps too much.
var errBound = errors.New("more waits than wal.max_retained allows")

// boundWithin bounds the question how far the server is.
const boundWithin = 10 * time.Second

// checkBound fails when the server keeps more than it may. It is asked over a
// connection of its own, as the one that brings the WAL is not being read.
func (r *receiver) checkBound(s *spooler) error {
	ctx, cancel := context.WithTimeout(s.ctx, boundWithin)
	defer cancel()
	conn, err := connect(ctx, r.o.DSN)
	if err != nil {
		return nil //nolint:nilerr // a server that is down writes nothing
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is left to say
	id, err := pglogrepl.IdentifySystem(ctx, conn)
	if err != nil {
		return nil //nolint:nilerr // as above
	}
	if int64(id.XLogPos)-int64(s.archived()) > r.o.MaxBytes {
		return archiveError{errBound}
	}
	return nil
}

// letGoOfRetained moves the slot on when it keeps more than Retained.MaxBytes,
// which a receiver calls that could not go on: so that an archive that stays
// away does not fill the server's disk.
func (o ReceiveOptions) letGoOfRetained(ctx context.Context) error {
	conn, err := connect(ctx, o.DSN)
	if err != nil {
		return nil //nolint:nilerr // a server that is down writes nothing
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is left to say
	r := &receiver{o: o, conn: conn}
	if err := r.identify(ctx); err != nil {
		return err
	}
	if there, err := r.readSlot(ctx); err != nil || !there || r.kept == 0 {
		return err
	}
	if int64(r.server-r.kept) <= o.MaxBytes {
		return nil
	}
	to := r.floor(r.server)
	if err := r.lose(r.kept, to, "the repositories could not be written to, and more waited than wal.max_retained"); err != nil {
		return err
	}
	if err := r.advance(ctx, to); err != nil {
		return fmt.Errorf("let go of the log on the server: %w", err)
	}
	return nil
}

// advance moves the slot on to a position.
func (r *receiver) advance(ctx context.Context, to postgres.LSN) error {
	sql := fmt.Sprintf("START_REPLICATION SLOT %s PHYSICAL %s TIMELINE %d", postgres.QuoteIdentifier(r.o.Slot), to, r.next)
	r.timeline, r.start = r.next, to
	ended, _, err := r.startReplication(ctx, sql)
	if err != nil {
		return err
	}
	if ended {
		return errors.New("the server has ended its timeline")
	}
	return pglogrepl.SendStandbyStatusUpdate(ctx, r.conn, pglogrepl.StandbyStatusUpdate{
		WALWritePosition: pglogrepl.LSN(to), WALFlushPosition: pglogrepl.LSN(to), WALApplyPosition: pglogrepl.LSN(to), ClientTime: time.Now(),
	})
}
