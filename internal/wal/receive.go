package wal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
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

// statusEvery is how often the server is told how far the archive is. It
// ends connections after wal_sender_timeout, 60 s unless changed.
const statusEvery = time.Second

// Receive archives the WAL of a server as it is written, over a replication
// connection, until ctx ends or the connection does. Called again, it goes on
// exactly where the archive ends.
func Receive(ctx context.Context, o ReceiveOptions) error {
	err := o.receive(ctx, false)
	if errors.Is(err, ErrRemoved) && o.LetGo != nil { // go on with what the server has
		err = untilFree(ctx, func() error { return o.receive(ctx, true) })
	}
	if _, failed := errors.AsType[archiveError](err); failed && o.MaxBytes > 0 && ctx.Err() == nil {
		err = errors.Join(err, untilFree(ctx, func() error { return o.letGoOfRetained(ctx) }))
	}
	return err
}

// freeWithin is how long the server may take to notice that the connection
// before has ended, and to let go of its slot.
const freeWithin = 10 * time.Second

// untilFree tries again while the slot is in use.
func untilFree(ctx context.Context, try func() error) error {
	deadline := time.Now().Add(freeWithin)
	for {
		err := try()
		if !hasCode(err, objectInUse) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(freeWithin / 100):
		}
	}
}

// archiveError is a failure of the archives, not of the server.
type archiveError struct{ error }

func (e archiveError) Unwrap() error { return e.error }

// receive archives the WAL from the end of the archive on, or, when skip is
// set, from the first position that the server still has for certain.
func (o ReceiveOptions) receive(ctx context.Context, skip bool) error {
	conn, err := connect(ctx, o.DSN)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is left to say
	r := &receiver{o: o, conn: conn}
	if err := r.prepare(ctx, skip); err != nil {
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

// connect opens a replication connection.
func connect(ctx context.Context, dsn string) (*pgconn.PgConn, error) {
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the connection string cannot be read; write it like postgres://user@host:5432/database")
	}
	cfg.RuntimeParams["replication"] = "true"
	cfg.RuntimeParams["application_name"] = "holdfast"
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL for replication: %w", err)
	}
	return conn, nil
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
}

// prepare finds out which cluster this is and where to begin.
func (r *receiver) prepare(ctx context.Context, skip bool) error {
	if err := r.identify(ctx); err != nil {
		return err
	}
	if err := r.ensureSlot(ctx); err != nil {
		return err
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
		if err := r.o.Losses.save(ctx, r.o.Archives); err != nil {
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
	value, err := r.show(ctx, "wal_segment_size")
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

func (r *receiver) show(ctx context.Context, setting string) (string, error) {
	results, err := r.conn.Exec(ctx, "SHOW "+setting).ReadAll()
	if err != nil {
		return "", fmt.Errorf("ask the server for %s: %w", setting, err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 1 {
		return "", fmt.Errorf("ask the server for %s: no answer", setting)
	}
	return string(results[0].Rows[0][0]), nil
}

// What the server says of slots and WAL, as SQLSTATEs: a slot that is there
// already, one that was invalidated as it kept more than
// max_slot_wal_keep_size, WAL that is not there any more, and a slot that
// another connection has.
const (
	duplicateObject    = "42710"
	notInRequiredState = "55000"
	undefinedFile      = "58P01"
	objectInUse        = "55006"
)

// ensureSlot makes the slot if it is not there, and finds out from where on it
// keeps WAL.
func (r *receiver) ensureSlot(ctx context.Context) error {
	if r.o.Slot == "" {
		return errors.New("no replication slot is named")
	}
	if r.o.Temporary {
		if err := r.makeSlot(ctx, "TEMPORARY"); err != nil {
			return err
		}
		_, err := r.readSlot(ctx)
		return err
	}
	there, err := r.readSlot(ctx)
	if err != nil || there {
		return err
	}
	return r.makeSlot(ctx, "")
}

// renewSlot makes the slot anew when the server has invalidated it.
func (r *receiver) renewSlot(ctx context.Context) error {
	if r.kept != 0 || r.o.Temporary {
		return nil
	}
	if _, err := r.conn.Exec(ctx, "DROP_REPLICATION_SLOT "+postgres.QuoteIdentifier(r.o.Slot)).ReadAll(); err != nil {
		return fmt.Errorf("drop the replication slot %s, which the server has invalidated: %w", r.o.Slot, err)
	}
	return r.makeSlot(ctx, "")
}

// readSlot tells whether the slot is there, and from where on it keeps WAL.
func (r *receiver) readSlot(ctx context.Context) (there bool, err error) {
	results, err := r.conn.Exec(ctx, "READ_REPLICATION_SLOT "+postgres.QuoteIdentifier(r.o.Slot)).ReadAll()
	if err != nil {
		return false, fmt.Errorf("look for the replication slot %s: %w", r.o.Slot, err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) < 2 || results[0].Rows[0][0] == nil {
		return false, nil
	}
	if restart := results[0].Rows[0][1]; restart != nil {
		if r.kept, err = postgres.ParseLSN(string(restart)); err != nil {
			return true, err
		}
	}
	return true, nil
}

func (r *receiver) makeSlot(ctx context.Context, kind string) error {
	_, err := r.conn.Exec(ctx, fmt.Sprintf("CREATE_REPLICATION_SLOT %s %s PHYSICAL RESERVE_WAL", postgres.QuoteIdentifier(r.o.Slot), kind)).ReadAll()
	if hasCode(err, duplicateObject) {
		return nil // somebody was quicker
	}
	if err != nil {
		return fmt.Errorf("make the replication slot %s: %w (max_replication_slots and the REPLICATION right of the user decide)", r.o.Slot, err)
	}
	return nil
}

func hasCode(err error, code string) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == code
}

// resume decides where to begin: at the end of the archive that has least, as
// long as the server has what it lacks, or where the server writes when
// nothing is archived.
func (r *receiver) resume(ctx context.Context) error {
	ends, err := r.archiveEnds(ctx)
	if err != nil {
		return err
	}
	if len(ends) == 0 || r.o.Temporary {
		from := r.server
		if r.o.Temporary && r.onStandby() {
			// Its base backups begin where it last began to write out pages,
			// which may be long ago.
			from = min(from, r.kept)
		}
		r.timeline, r.start = r.next, r.floor(from)
		r.covered = r.start
		return nil
	}
	newest := ends[len(ends)-1]
	if newest.Line > r.next {
		return fmt.Errorf("the archive has timeline %d, and this server is on timeline %d: it fell behind a failover and must not go on; point the source at the present primary", newest.Line, r.next)
	}
	from := newest
	if k := slices.IndexFunc(ends, func(end logarchive.Range) bool { return r.kept != 0 && postgres.LSN(end.End) >= r.kept }); k >= 0 {
		from = ends[k]
	}
	r.timeline, r.covered = from.Line, postgres.LSN(from.End)
	r.start = r.floor(r.covered)
	return nil
}

func (r *receiver) onStandby() bool { return r.conn.ParameterStatus("in_hot_standby") == "on" }

// archiveEnds returns with what each archive that has something ends, the
// least first. As many must answer as must have each segment.
func (r *receiver) archiveEnds(ctx context.Context) ([]logarchive.Range, error) {
	var ends []logarchive.Range
	var failures []error
	for _, archive := range r.o.All {
		extent, err := r.extent(ctx, archive)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", archive.Location(), err))
			continue
		}
		if n := len(extent.Ranges); n > 0 {
			ends = append(ends, extent.Ranges[n-1])
		}
	}
	if len(r.o.All)-len(failures) < r.o.needed() {
		return nil, archiveError{errors.Join(failures...)}
	}
	slices.SortFunc(ends, func(a, b logarchive.Range) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.End, b.End))
	})
	return ends, nil
}

func (r *receiver) extent(ctx context.Context, a *logarchive.Archive) (*logarchive.Extent, error) {
	archived, err := a.List(ctx, r.stream)
	if err != nil {
		return nil, err
	}
	return a.Extent(ctx, archived)
}

func (r *receiver) floor(at postgres.LSN) postgres.LSN {
	return at - at%postgres.LSN(r.segmentBytes)
}

// timelineToEnd receives one timeline until the server ends it, and returns
// the branch that follows.
func (r *receiver) timelineToEnd(ctx context.Context) (postgres.Branch, error) {
	sql := fmt.Sprintf("START_REPLICATION SLOT %s PHYSICAL %s TIMELINE %d", postgres.QuoteIdentifier(r.o.Slot), r.start, r.timeline)
	if ended, next, err := r.startReplication(ctx, sql); err != nil || ended {
		return next, err
	}
	s, err := newSpooler(ctx, r)
	if err != nil {
		return postgres.Branch{}, err
	}
	err = r.pump(s)
	return r.finish(ctx, s, err)
}

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

// finish archives what has come, also when the connection broke, and reads
// what follows the timeline when it has ended.
func (r *receiver) finish(ctx context.Context, s *spooler, pumped error) (postgres.Branch, error) {
	err := s.close(r, pumped)
	if err != nil {
		return postgres.Branch{}, err
	}
	r.conn.Frontend().Send(&pgproto3.CopyDone{})
	if err := r.conn.Frontend().Flush(); err != nil {
		return postgres.Branch{}, fmt.Errorf("end the timeline: %w", err)
	}
	var next postgres.Branch
	for {
		message, err := r.conn.ReceiveMessage(ctx)
		if err != nil {
			return next, fmt.Errorf("end the timeline: %w", err)
		}
		switch m := message.(type) {
		case *pgproto3.DataRow:
			if next, err = parseBranch(m); err != nil {
				return next, err
			}
		case *pgproto3.ErrorResponse:
			return next, pgconn.ErrorResponseToPgError(m)
		case *pgproto3.ReadyForQuery:
			return next, nil
		}
	}
}

// follow goes over to the timeline that branched off.
func (r *receiver) follow(ctx context.Context, next postgres.Branch) error {
	if next.Timeline <= r.timeline {
		return fmt.Errorf("the server ended timeline %d and named no next one", r.timeline)
	}
	if err := r.archiveHistory(ctx, next.Timeline); err != nil {
		return err
	}
	r.timeline, r.start = next.Timeline, r.floor(next.At)
	r.covered = r.start
	return nil
}

// archiveHistory archives the file that tells where a timeline comes from.
func (r *receiver) archiveHistory(ctx context.Context, timeline uint32) error {
	if timeline == 1 {
		return nil
	}
	h, err := pglogrepl.TimelineHistory(ctx, r.conn, int32(timeline))
	if err != nil {
		return fmt.Errorf("ask the server for the history of timeline %d: %w", timeline, err)
	}
	return r.o.archiveFile(ctx, logarchive.Segment{
		Stream: r.stream, Line: timeline, Kind: logarchive.History,
		Name: postgres.FileName{Kind: postgres.HistoryFile, Timeline: timeline}.String(),
	}, h.Content)
}
