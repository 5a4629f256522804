package rowcount

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"holdfast/internal/postgres"
)

// commits follows the log of a server and keeps which transactions are
// committed in it, in its order, for the few seconds that a moment is looked
// for.
type commits struct {
	conn   *pgconn.PgConn
	cancel context.CancelFunc
	done   chan struct{} // closed when nothing more comes

	mu    sync.Mutex
	moved chan struct{} // closed when read changes
	read  postgres.LSN  // up to where the log is read
	list  []ended
	err   error
}

const (
	// maxCommits bounds what is kept of the log.
	maxCommits = 1 << 20
	// flushedWithin is how long the server may take to write what is in its
	// log: transactions that do not wait for it leave that to wal_writer_delay,
	// 10 s at the most.
	flushedWithin = 3 * time.Second
)

// followCommits begins at a position where a record begins. The user needs the
// REPLICATION attribute.
func followCommits(ctx context.Context, dsn string, from postgres.LSN) (*commits, error) {
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the connection string cannot be read")
	}
	cfg.RuntimeParams["replication"] = "true"
	// Under its usual name it could be taken for a synchronous standby.
	cfg.RuntimeParams["application_name"] = "holdfast row counts"
	conn, err := postgres.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	from = withoutHeader(from)
	if err := startAt(ctx, conn, from); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	ctx, cancel := context.WithCancel(ctx)
	c := &commits{conn: conn, cancel: cancel, done: make(chan struct{}), moved: make(chan struct{}), read: from}
	go c.follow(ctx)
	return c, nil
}

// startAt asks for the log from a position on, without a slot.
func startAt(ctx context.Context, conn *pgconn.PgConn, from postgres.LSN) error {
	conn.Frontend().SendQuery(&pgproto3.Query{String: "START_REPLICATION PHYSICAL " + from.String()})
	if err := conn.Frontend().Flush(); err != nil {
		return err
	}
	for {
		message, err := conn.ReceiveMessage(ctx)
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *pgproto3.CopyBothResponse:
			return nil
		case *pgproto3.ErrorResponse:
			return pgconn.ErrorResponseToPgError(m)
		case *pgproto3.ReadyForQuery:
			return errors.New("the server sends no log")
		}
	}
}

// close ends it.
func (c *commits) close() {
	if c == nil {
		return
	}
	c.cancel()
	<-c.done
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.conn.Close(ctx) //nolint:errcheck // nothing was written
}

func (c *commits) follow(ctx context.Context) {
	defer close(c.done)
	r := &records{at: c.read, found: func(e ended) { c.list = append(c.list, e) }}
	for {
		message, err := c.conn.ReceiveMessage(ctx)
		if err == nil {
			err = c.take(ctx, r, message)
		}
		c.mu.Lock()
		c.err = err
		close(c.moved)
		c.moved = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *commits) take(ctx context.Context, r *records, message pgproto3.BackendMessage) error {
	if refused, ok := message.(*pgproto3.ErrorResponse); ok {
		return pgconn.ErrorResponseToPgError(refused)
	}
	data, ok := message.(*pgproto3.CopyData)
	if !ok || len(data.Data) == 0 {
		return nil
	}
	switch data.Data[0] {
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		alive, err := pglogrepl.ParsePrimaryKeepaliveMessage(data.Data[1:])
		if err == nil && alive.ReplyRequested {
			// It says of no position that it is safe here: nothing is kept.
			err = pglogrepl.SendStandbyStatusUpdate(ctx, c.conn, pglogrepl.StandbyStatusUpdate{})
		}
		return err
	case pglogrepl.XLogDataByteID:
		part, err := pglogrepl.ParseXLogData(data.Data[1:])
		if err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if postgres.LSN(part.WALStart) != r.at || len(c.list) > maxCommits {
			return fmt.Errorf("the log goes on at %s instead of %s, after %d commits", part.WALStart, r.at, len(c.list))
		}
		err = r.feed(part.WALData)
		c.read = r.at
		return err
	}
	return nil
}

// upTo returns the commits before a position, when the log is read as far.
func (c *commits) upTo(ctx context.Context, at postgres.LSN) ([]ended, error) {
	ctx, cancel := context.WithTimeout(ctx, flushedWithin)
	defer cancel()
	for {
		c.mu.Lock()
		read, list, err, moved := c.read, c.list, c.err, c.moved
		c.mu.Unlock()
		if read >= withoutHeader(at) {
			n, _ := slices.BinarySearchFunc(list, at, func(e ended, at postgres.LSN) int { return int(min(1, max(-1, int64(e.at)-int64(at)))) }) //nolint:gosec // positions are far below 2^63
			return list[:n], nil
		}
		if err != nil {
			return nil, err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
