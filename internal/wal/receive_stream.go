package wal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"holdfast/internal/postgres"
)

// statusEvery is how often the server is told how far the archive is. It
// ends connections after wal_sender_timeout, 60 s unless changed.
const statusEvery = time.Second

// startReplication sends the command. It tells when the server answers that
// the timeline ends right there.
func (r *receiver) startReplication(ctx context.Context, sql string) (ended bool, next postgres.Branch, err error) {
	r.conn.Frontend().SendQuery(&pgproto3.Query{String: sql})
	if err := r.conn.Frontend().Flush(); err != nil {
		return false, next, fmt.Errorf("start replication: %w", err)
	}
	for {
		message, err := r.conn.ReceiveMessage(ctx)
		if err != nil {
			return false, next, r.startError(err)
		}
		switch m := message.(type) {
		case *pgproto3.CopyBothResponse:
			return false, next, nil
		case *pgproto3.ErrorResponse:
			return false, next, r.startError(pgconn.ErrorResponseToPgError(m))
		case *pgproto3.DataRow:
			if next, err = parseBranch(m); err != nil {
				return false, next, err
			}
		case *pgproto3.ReadyForQuery:
			return true, next, nil
		}
	}
}

func (r *receiver) startError(err error) error {
	if hasCode(err, undefinedFile) || hasCode(err, notInRequiredState) {
		return fmt.Errorf("%w, from %s on timeline %d: %w; take a new base backup", ErrRemoved, r.start, r.timeline, err)
	}
	return fmt.Errorf("start replication at %s on timeline %d: %w", r.start, r.timeline, err)
}

// parseBranch reads the row that ends a timeline: the next one and where it
// begins.
func parseBranch(row *pgproto3.DataRow) (postgres.Branch, error) {
	if len(row.Values) != 2 {
		return postgres.Branch{}, fmt.Errorf("the server ended the timeline with %d values instead of 2", len(row.Values))
	}
	timeline, err := strconv.ParseUint(string(row.Values[0]), 10, 32)
	if err != nil {
		return postgres.Branch{}, fmt.Errorf("the server ended the timeline with %q", row.Values[0])
	}
	at, err := postgres.ParseLSN(string(row.Values[1]))
	return postgres.Branch{Timeline: uint32(timeline), At: at}, err
}

// pump moves WAL from the connection to the spooler until the timeline ends
// (nil), the context does, or something fails.
func (r *receiver) pump(s *spooler) error {
	status := time.NewTicker(statusEvery)
	defer status.Stop()
	for {
		message, err := r.receive(s)
		switch {
		case err != nil:
			return err
		case message == nil: // it is time to do something else
		default:
			done, err := r.take(s, message)
			if done || err != nil {
				return err
			}
		}
		select {
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		case <-s.confirmed:
			err = r.sendStatus(s)
		case <-status.C:
			err = r.sendStatus(s)
		default:
		}
		if err != nil {
			return err
		}
		if err := s.sliceIfDue(r); err != nil {
			return err
		}
	}
}

// receive waits for the next message, but no longer than until there is
// something else to do: then it returns nil.
func (r *receiver) receive(s *spooler) (pgproto3.BackendMessage, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.patience())
	defer cancel()
	message, err := r.conn.ReceiveMessage(ctx)
	if err != nil && pgconn.Timeout(err) && s.ctx.Err() == nil {
		return nil, nil //nolint:nilnil // documented above
	}
	if s.ctx.Err() != nil {
		return nil, context.Cause(s.ctx)
	}
	return message, err
}

// take handles one message; done tells that the timeline has ended.
func (r *receiver) take(s *spooler, message pgproto3.BackendMessage) (done bool, err error) {
	switch m := message.(type) {
	case *pgproto3.CopyData:
		return false, r.takeData(s, m.Data)
	case *pgproto3.CopyDone:
		return true, nil
	case *pgproto3.ErrorResponse:
		return false, r.startError(pgconn.ErrorResponseToPgError(m))
	}
	return false, nil
}

func (r *receiver) takeData(s *spooler, data []byte) error {
	if len(data) == 0 {
		return errors.New("the server sent an empty message")
	}
	switch data[0] {
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		alive, err := pglogrepl.ParsePrimaryKeepaliveMessage(data[1:])
		if err != nil {
			return err
		}
		r.server = max(r.server, postgres.LSN(alive.ServerWALEnd))
		if alive.ReplyRequested {
			return r.sendStatus(s)
		}
		return nil
	case pglogrepl.XLogDataByteID:
		x, err := pglogrepl.ParseXLogData(data[1:])
		if err != nil {
			return err
		}
		r.server = max(r.server, postgres.LSN(x.ServerWALEnd))
		return s.write(r, postgres.LSN(x.WALStart), x.WALData)
	}
	return nil
}

// sendStatus confirms what is archived, and nothing more.
func (r *receiver) sendStatus(s *spooler) error {
	archived := s.archived()
	if r.o.Progress != nil {
		r.o.Progress(Received{System: r.stream, Timeline: r.timeline, Server: r.server, Written: s.end, Archived: archived})
	}
	err := pglogrepl.SendStandbyStatusUpdate(s.ctx, r.conn, pglogrepl.StandbyStatusUpdate{
		WALWritePosition: pglogrepl.LSN(max(archived, 1)), WALFlushPosition: pglogrepl.LSN(max(archived, 1)),
		WALApplyPosition: pglogrepl.LSN(max(archived, 1)), ClientTime: time.Now(),
	})
	if err != nil {
		return fmt.Errorf("tell the server what is archived: %w", err)
	}
	return nil
}
