package rowcount

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/postgres"
)

const (
	// alignWithin is how long a moment is looked for that has its place in
	// the log. A server on which nobody writes gives it at once.
	alignWithin = 15 * time.Second
	// quietTries is how often it is hoped for that nobody writes right now,
	// before the log is read.
	quietTries = 3
	// shownWithin is how long a server may take to show to others a
	// transaction whose commit is on its disk.
	shownWithin = 50 * time.Millisecond
	// betweenTries lets transactions that are just being committed end.
	betweenTries = 5 * time.Millisecond
)

// together are the moments of all databases of a server, that ought to be one.
type together struct {
	dsn     string
	conn    *pgconn.PgConn // beside those of the moments
	moments []*Moment
	log     *commits // nil as long as it is not read
}

// align begins the moments so that there is a position in the log before which
// exactly those transactions are committed that all of them see. A server shows
// transactions to others in another order than its log has them, and there is
// not such a position for every moment: then it tries again. Without one, false,
// each moment has a position that all it sees lies before.
func (t *together) align(ctx context.Context) (exact bool, err error) {
	if t.conn, err = postgres.Connect(ctx, t.dsn, ""); err != nil {
		return false, err
	}
	defer t.conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // only questions were asked
	defer func() { t.log.close() }()
	deadline := time.Now().Add(alignWithin)
	for try := 1; ; try++ {
		before, err := t.begin(ctx)
		if err != nil {
			return false, err
		}
		if t.moments[0].Standby {
			// It replays before it says so, and does not name what runs.
			return false, nil
		}
		at, ok, err := t.place(ctx, before)
		if err != nil {
			return false, err
		}
		if ok {
			for _, m := range t.moments {
				m.LSN = at.String()
			}
			return true, nil
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		pause := betweenTries
		if try == quietTries {
			t.followLog(ctx, before)
			pause = shownWithin // of what was committed before that it knows nothing
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// begin begins all moments, one right after the other, and returns where the
// log was before.
func (t *together) begin(ctx context.Context) (before position, err error) {
	for _, m := range t.moments {
		if err := m.end(ctx); err != nil {
			return before, err
		}
	}
	if before, err = t.position(ctx); err == nil && t.log == nil && before.flushed < withoutHeader(before.insert) {
		before, err = t.flush(ctx)
	}
	if err != nil {
		return before, err
	}
	for _, m := range t.moments {
		if err := m.begin(ctx); err != nil {
			return before, fmt.Errorf("database %s: %w", m.Name, err)
		}
	}
	return before, nil
}

// position is where the log of a server ends, in memory and on its disk; 0 on
// a standby.
type position struct{ insert, flushed postgres.LSN }

func (t *together) position(ctx context.Context) (p position, err error) {
	rows, err := postgres.Query(ctx, t.conn, `SELECT CASE WHEN pg_is_in_recovery() THEN '0/0' ELSE pg_current_wal_insert_lsn() END,
		CASE WHEN pg_is_in_recovery() THEN '0/0' ELSE pg_current_wal_flush_lsn() END`)
	if err != nil {
		return p, err
	}
	if p.insert, err = postgres.ParseLSN(rows[0][0]); err != nil {
		return p, err
	}
	p.flushed, err = postgres.ParseLSN(rows[0][1])
	return p, err
}

// flushLog makes the server write its log to its disk. Without a commit it
// leaves the last page in memory. Standbys are not waited for.
const flushLog = "SET synchronous_commit = local; SELECT pg_logical_emit_message(true, 'holdfast', 'rows are counted')"

// flush returns where the log ends when it is on the disk.
func (t *together) flush(ctx context.Context) (position, error) {
	if _, err := postgres.Query(ctx, t.conn, flushLog); err != nil {
		return position{}, err
	}
	return t.position(ctx)
}

// place finds the position of the moments; false if they have none, or nobody
// knows.
func (t *together) place(ctx context.Context, before position) (at postgres.LSN, ok bool, err error) {
	last, err := postgres.ParseLSN(t.moments[len(t.moments)-1].LSN)
	if err != nil {
		return 0, false, err
	}
	if last == before.insert && withoutHeader(last) <= before.flushed {
		if quiet, err := t.quiet(ctx); quiet || err != nil {
			return last, quiet, err
		}
	}
	if t.log == nil {
		return 0, false, nil
	}
	list, err := t.log.upTo(ctx, last)
	if ctx.Err() != nil {
		return 0, false, context.Cause(ctx)
	}
	if err != nil { // the connection is gone: what is left is to hope for quiet
		t.log.close()
		t.log = nil
		return 0, false, nil
	}
	snapshots := make([]transactionSnapshot, len(t.moments))
	for k, m := range t.moments {
		if snapshots[k], err = parseTransactionSnapshot(m.Snapshot); err != nil {
			return 0, false, err
		}
	}
	at, ok = placeOf(snapshots, list, before.insert, last)
	return at, ok, nil
}

// quiet tells whether no transaction ends, so that none of those that the
// moments do not see can be in the log, on the server's disk already.
func (t *together) quiet(ctx context.Context) (bool, error) {
	rows, err := postgres.Query(ctx, t.conn, fmt.Sprintf("SELECT pg_sleep(%f); SELECT pg_current_snapshot()", shownWithin.Seconds()))
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(t.moments, func(m *Moment) bool { return m.Snapshot != rows[0][0] }), nil
}

// placeOf finds the position between the commits that snapshots see and those
// that they do not see; false if these are not one after the other. The
// snapshots were taken between two positions.
func placeOf(snapshots []transactionSnapshot, list []ended, before, last postgres.LSN) (at postgres.LSN, ok bool) {
	at = last
	for _, e := range list {
		if e.xid == 0 {
			if e.at >= before {
				return 0, false
			}
			continue
		}
		seen := 0
		for _, s := range snapshots {
			if s.sees(e.xid) {
				seen++
			}
		}
		switch {
		case seen == 0:
			at = min(at, e.at)
		case seen < len(snapshots) || at < e.at:
			return 0, false
		}
	}
	return at, true
}

// followLog begins to read the log, if it may. It does not hurt if it cannot.
func (t *together) followLog(ctx context.Context, from position) {
	// The server sends nothing that is not on its disk.
	if from.flushed < withoutHeader(from.insert) {
		if _, err := t.flush(ctx); err != nil {
			return
		}
	}
	t.log, _ = followCommits(ctx, t.dsn, from.insert) //nolint:errcheck // see above
}

// transactionSnapshot tells which transactions are seen, by their numbers
// without the epoch.
type transactionSnapshot struct {
	next    uint32
	running map[uint32]bool
}

// parseTransactionSnapshot reads a pg_snapshot: xmin:xmax:those running.
func parseTransactionSnapshot(text string) (s transactionSnapshot, err error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return s, fmt.Errorf("%q is no snapshot of transactions", text)
	}
	next, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return s, fmt.Errorf("%q is no snapshot of transactions", text)
	}
	s.next, s.running = uint32(next), make(map[uint32]bool) //nolint:gosec // without the epoch
	if parts[2] == "" {
		return s, nil
	}
	for number := range strings.SplitSeq(parts[2], ",") {
		xid, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return s, fmt.Errorf("%q is no snapshot of transactions", text)
		}
		s.running[uint32(xid)] = true //nolint:gosec // as above
	}
	return s, nil
}

// sees tells whether a committed transaction is seen. Numbers go round: those
// that are compared are never half the circle apart.
func (s transactionSnapshot) sees(xid uint32) bool {
	return int32(xid-s.next) < 0 && !s.running[xid] //nolint:gosec // as PostgreSQL compares them
}
