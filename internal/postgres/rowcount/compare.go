package rowcount

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/postgres"
)

// Comparison is what a restored server has beside what was counted.
type Comparison struct {
	// Compared is how many tables were counted again, Equal how many had as
	// many rows as before.
	Compared, Equal int
	// Estimated is how many had only been estimated, and are not compared.
	Estimated int
	// Exact tells that every table had to have the same rows.
	Exact bool
	// Wrong are differences that nothing explains.
	Wrong []string
	// Changed are differences that may be rightly there, as transactions have
	// ended between the count and the moment that was restored.
	Changed []string
	// Notes say what was not compared, and why.
	Notes []string
}

// Restored is a server to be looked into.
type Restored struct {
	Connect func(ctx context.Context, database string) (*pgconn.PgConn, error)
	// At is where its recovery stopped, 0 when it was restored from dumps: it
	// then is at the very moment of the count.
	At postgres.LSN
}

// Compare counts the rows of a restored server's tables. It must be asked
// before anything is changed there: that would look like a transaction of the
// original's.
func Compare(ctx context.Context, r Restored, counts *Counts) (*Comparison, error) {
	c := &Comparison{Exact: true}
	for k := range counts.Databases {
		db := &counts.Databases[k]
		if db.Left != "" {
			c.Notes = append(c.Notes, fmt.Sprintf("database %s was not counted: %s", db.Name, db.Left))
		}
		if len(db.Tables) == 0 {
			continue
		}
		if err := c.database(ctx, r, db); err != nil {
			return nil, fmt.Errorf("count the rows of database %s: %w", db.Name, err)
		}
	}
	return c, nil
}

// noSuchDatabase is the SQLSTATE of a connection to a database that is not
// there.
const noSuchDatabase = "3D000"

func (c *Comparison) database(ctx context.Context, r Restored, db *Database) error {
	conn, err := r.Connect(ctx, db.Name)
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) && refused.Code == noSuchDatabase {
		// Nobody drops a database unseen by this moment's transactions, but
		// there is no connection to ask about them.
		if r.At == 0 {
			c.Wrong = append(c.Wrong, "database "+db.Name+" is not there")
		} else {
			c.Exact = false
			c.Changed = append(c.Changed, "database "+db.Name+" is not there")
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // only questions were asked
	why := ""
	if r.At != 0 {
		if why, err = notAt(ctx, conn, r.At, db); err != nil {
			return err
		}
	}
	differences := &c.Wrong
	if why != "" {
		differences, c.Exact = &c.Changed, false
		c.Notes = append(c.Notes, fmt.Sprintf("the rows of database %s cannot be compared exactly: %s", db.Name, why))
	}
	for _, t := range db.Tables {
		if t.Estimate != "" {
			c.Estimated++
			continue
		}
		difference, err := compareTable(ctx, conn, t)
		if err != nil {
			return err
		}
		c.Compared++
		if difference == "" {
			c.Equal++
		} else {
			*differences = append(*differences, db.Name+": "+difference)
		}
	}
	return nil
}

// undefined are the SQLSTATEs of a table, and of a schema, that is not there.
var undefined = map[string]bool{"42P01": true, "3F000": true}

func compareTable(ctx context.Context, conn *pgconn.PgConn, t Table) (difference string, err error) {
	rows, err := postgres.Query(ctx, conn, fmt.Sprintf("SELECT count(*) FROM ONLY %s.%s", postgres.QuoteIdentifier(t.Schema), postgres.QuoteIdentifier(t.Name)))
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) && !conn.IsClosed() {
		if undefined[refused.Code] {
			return fmt.Sprintf("table %s is not there; it had %d rows", t, t.Rows), nil
		}
		return fmt.Sprintf("table %s cannot be read: %s", t, refused.Message), nil
	}
	if err != nil {
		return "", err
	}
	if n, err := strconv.ParseInt(rows[0][0], 10, 64); err != nil || n != t.Rows {
		return fmt.Sprintf("table %s has %s rows; it had %d", t, rows[0][0], t.Rows), err
	}
	return "", nil
}

// maxTransactions bounds how many transactions are asked about.
const maxTransactions = 200_000

// endedSince tells whether any transaction was committed that the snapshot $1
// does not have: one that was running then, or began later. Of a standby's
// snapshot, which does not name those that were running, all from the oldest
// of them on are asked about. Those that the server has not come to know left
// nothing behind.
const endedSince = `WITH s AS (SELECT %s::pg_snapshot AS was, pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next),
	f AS (SELECT was, next, CASE WHEN %t THEN pg_snapshot_xmin(was) ELSE pg_snapshot_xmax(was) END::text::bigint AS first FROM s)
	SELECT next - first > %d OR EXISTS (SELECT FROM (
		SELECT pg_snapshot_xip(was) AS x FROM f UNION ALL
		SELECT generate_series(first, least(next - 1, first + %[3]d))::text::xid8 FROM f) t WHERE x::text::bigint < next AND pg_xact_status(x) = 'committed') FROM f`

// notAt says why a restored server is not at the moment of a count; "" if it
// is.
func notAt(ctx context.Context, conn *pgconn.PgConn, at postgres.LSN, db *Database) (string, error) {
	counted, err := postgres.ParseLSN(db.LSN)
	if err != nil {
		return "", fmt.Errorf("the row counts: %w", err)
	}
	if at < withoutHeader(counted) {
		return fmt.Sprintf("they were counted at %s, and the recovery stopped before, at %s", db.LSN, at), nil
	}
	rows, err := postgres.Query(ctx, conn, fmt.Sprintf(endedSince, postgres.QuoteLiteral(db.Snapshot), db.Standby, maxTransactions))
	if err != nil {
		return "", err
	}
	if rows[0][0] == "t" {
		return fmt.Sprintf("transactions have ended since they were counted at %s", db.LSN), nil
	}
	return "", nil
}

const (
	walPageBytes = 8192
	// shortHeader and longHeader are what a page of the log begins with, the
	// latter the first of a segment (access/xlog_internal.h).
	shortHeader = 24
	longHeader  = 40
)

// withoutHeader returns a position where the next record begins as the one
// where the record before ends: at the end of a page there is a page header
// between them.
func withoutHeader(at postgres.LSN) postgres.LSN {
	if offset := at % walPageBytes; offset == shortHeader || offset == longHeader {
		return at - offset
	}
	return at
}
