package rowcount

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/postgres"
)

// Moment is a moment of a database that is held: a transaction that sees the
// database as it is then, for as long as it is open.
type Moment struct {
	Database
	// Exported is the name under which others can see the same (pg_dump
	// --snapshot).
	Exported string

	conn *pgconn.PgConn
}

// openMoment reads the snapshot first and the position of the log after it: a
// transaction is in the log before others see it. On a standby it is the other
// way round, and the position is read when all is counted. A table that somebody
// keeps locked must not keep the others from being counted.
const openMoment = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL row_security = off; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '10s';
	SET LOCAL idle_in_transaction_session_timeout = 0;
	SELECT pg_current_snapshot(), pg_export_snapshot(), pg_is_in_recovery(), extract(epoch FROM clock_timestamp())`

// Open holds the present moment of a database; "" is that of the connection
// string.
func Open(ctx context.Context, dsn, database string) (*Moment, error) {
	m, err := connect(ctx, dsn, database)
	if err != nil {
		return nil, err
	}
	if err := m.begin(ctx); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// connect makes a moment that is not begun.
func connect(ctx context.Context, dsn, database string) (*Moment, error) {
	conn, err := postgres.Connect(ctx, dsn, database)
	if err != nil {
		return nil, err
	}
	return &Moment{Database: Database{Name: database, Tables: []Table{}}, conn: conn}, nil
}

// end lets the moment go, so that another can begin.
func (m *Moment) end(ctx context.Context) error {
	if m.Snapshot == "" {
		return nil
	}
	_, err := postgres.Query(ctx, m.conn, "ROLLBACK")
	return err
}

func (m *Moment) begin(ctx context.Context) error {
	rows, err := postgres.Query(ctx, m.conn, openMoment)
	if err != nil {
		return err
	}
	row := rows[0]
	m.Snapshot, m.Exported, m.Standby = row[0], row[1], row[2] == "t"
	seconds, err := strconv.ParseFloat(row[3], 64)
	if err != nil {
		return fmt.Errorf("the server's time is %q", row[3])
	}
	m.At = time.UnixMicro(int64(seconds * 1e6)).UTC()
	return m.readPosition(ctx)
}

func (m *Moment) readPosition(ctx context.Context) error {
	position := "pg_current_wal_insert_lsn()"
	if m.Standby {
		position = "pg_last_wal_replay_lsn()"
	}
	rows, err := postgres.Query(ctx, m.conn, "SELECT "+position)
	if err != nil {
		return err
	}
	m.LSN = rows[0][0]
	return nil
}

// Close lets the moment go. It may be called while Count runs, which ends it.
func (m *Moment) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	m.conn.Close(ctx) //nolint:errcheck // only questions were asked
}

// Limits bound what is counted.
type Limits struct {
	// TableBytes is the size from which on a table is only estimated; 0 is
	// none.
	TableBytes int64
	// Until is when counting ends; what is left then is estimated. Zero is
	// never.
	Until time.Time
	// Unlogged counts unlogged tables too. A base backup does not have their
	// rows, a dump does.
	Unlogged bool
	// Views counts materialized views too. Restoring a dump fills them anew.
	Views bool
}

// listTables lists what belongs to users. Tables of extensions are made by
// these, not by what is restored. The smallest come first, so that most are
// counted in the time there is.
const listTables = `SELECT n.nspname, c.relname, coalesce(pg_relation_size(c.oid), 0), c.reltuples::bigint, c.relkind, c.relpersistence, has_table_privilege(c.oid, 'SELECT')
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated) AND c.relpersistence <> 't'
		AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
		AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
	ORDER BY 3, 1, 2`

// Count counts the rows of all tables.
func (m *Moment) Count(ctx context.Context, l Limits) error {
	rows, err := postgres.Query(ctx, m.conn, listTables)
	if err != nil {
		return fmt.Errorf("list the tables of %s: %w", m.Name, err)
	}
	for _, row := range rows {
		if row[4] == "m" && !l.Views || row[5] == "u" && !l.Unlogged {
			continue
		}
		t := Table{Schema: row[0], Name: row[1], Rows: -1}
		bytes, _ := strconv.ParseInt(row[2], 10, 64)      //nolint:errcheck // a number, as the query has it
		estimate, err := strconv.ParseInt(row[3], 10, 64) // -1 when nobody ever looked
		if err == nil {
			t.Rows = estimate
		}
		switch {
		case row[6] != "t":
			t.Estimate = "this user may not read it"
		case l.TableBytes > 0 && bytes > l.TableBytes:
			t.Estimate = "too large to be counted"
		default:
			if err := m.count(ctx, &t, l.Until); err != nil {
				return err
			}
		}
		m.Tables = append(m.Tables, t)
	}
	if m.Standby {
		return m.readPosition(ctx)
	}
	return nil
}

// count counts one table. What keeps it from being counted is recorded; an
// error means that nothing more can be.
func (m *Moment) count(ctx context.Context, t *Table, until time.Time) error {
	timeout := "0"
	if !until.IsZero() {
		left := time.Until(until)
		if left < time.Millisecond {
			t.Estimate = errNoTime.Error()
			return nil
		}
		timeout = strconv.FormatInt(left.Milliseconds(), 10)
	}
	rows, err := postgres.Query(ctx, m.conn, fmt.Sprintf("SAVEPOINT one; SET LOCAL statement_timeout = %s; SELECT count(*) FROM ONLY %s.%s",
		timeout, postgres.QuoteIdentifier(t.Schema), postgres.QuoteIdentifier(t.Name)))
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) && !m.conn.IsClosed() {
		t.Estimate = reason(refused)
		_, err = postgres.Query(ctx, m.conn, "ROLLBACK TO one")
		return err
	}
	if err != nil {
		return fmt.Errorf("count the rows of %s: %w", t, err)
	}
	if t.Rows, err = strconv.ParseInt(rows[0][0], 10, 64); err != nil {
		return fmt.Errorf("count the rows of %s: %w", t, err)
	}
	_, err = postgres.Query(ctx, m.conn, "RELEASE one")
	return err
}

var errNoTime = errors.New("there was no time left to count it")

// canceled is the SQLSTATE of a query that took too long.
const canceled = "57014"

func reason(err *pgconn.PgError) string {
	if err.Code == canceled {
		return errNoTime.Error()
	}
	return cmp.Or(strings.TrimSpace(err.Message), err.Code)
}
