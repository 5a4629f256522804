package pgdump

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/postgres"
)

// TableOptions tell which tables are moved, from a server that is thrown away
// afterwards to one that is in use.
type TableOptions struct {
	// From is the server that has the tables, and the database; its user must
	// be a superuser. What is moved is changed there.
	From string
	// To is the server and database that they come into.
	To string
	// BinDir is the folder of pg_dump and pg_restore; "" looks for some that
	// fit.
	BinDir string
	// Tables are their names.
	Tables []TableName
	// Schema is the schema that they come into, which is made if it is not
	// there. Foreign keys, triggers and policies, which would tie them to the
	// tables in use, are left behind then. "" leaves them in their own, with
	// all they have.
	Schema string
	// OnStep, if set, is told what is done.
	OnStep func(what string)
}

// MovedTable is a table that was moved.
type MovedTable struct {
	From, To string
	Rows     int64
}

// CheckTarget finds what would keep tables from coming into a server, as far as
// that is known before they are there. It returns the server's major version.
func CheckTarget(ctx context.Context, o TableOptions) (major int, err error) {
	conn, err := postgres.Connect(ctx, o.To, "")
	if err != nil {
		return 0, fmt.Errorf("connect to the server to restore to: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // questions were asked and answered
	major, standby, err := whoIs(ctx, conn)
	if err != nil {
		return 0, err
	}
	if standby {
		return 0, errors.New("the server to restore to is a standby, which is read-only; name its primary")
	}
	for _, table := range o.Tables {
		schema, name := table.guess()
		if o.Schema != "" {
			schema = o.Schema
		}
		if schema == "" {
			continue // the server that has the table knows
		}
		if err := refuseExisting(ctx, conn, schema, name); err != nil {
			return 0, err
		}
	}
	return major, nil
}

// refuseExisting refuses to restore over something.
func refuseExisting(ctx context.Context, conn *pgconn.PgConn, schema, name string) error {
	rows, err := postgres.Query(ctx, conn, fmt.Sprintf("SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = %s AND relname = %s",
		postgres.QuoteLiteral(schema), postgres.QuoteLiteral(name)))
	if err != nil {
		return fmt.Errorf("look into the server to restore to: %w", err)
	}
	if len(rows) > 0 {
		return fmt.Errorf("%s.%s is there already, and is not touched; name another schema with --to-schema. Nothing was changed", schema, name)
	}
	return nil
}

// whoIs asks a server for its major version, and whether it is a standby.
func whoIs(ctx context.Context, conn *pgconn.PgConn) (major int, standby bool, err error) {
	rows, err := postgres.Query(ctx, conn, "SELECT current_setting('server_version_num')::int / 10000, pg_is_in_recovery()")
	if err == nil {
		_, err = fmt.Sscan(rows[0][0], &major)
	}
	if err != nil {
		return 0, false, fmt.Errorf("ask the server who it is: %w", err)
	}
	return major, rows[0][1] == "t", nil
}

// mover moves tables.
type mover struct {
	TableOptions
	client   postgres.Client // of the server that has them
	from, to *pgconn.PgConn
	tables   []*movedTable
}

// movedTable is one of the tables, or a partition of one.
type movedTable struct {
	schema, name string
	kind         string // of pg_class: r, p, m or v
	part         bool   // comes along as a partition
	to           string // its new schema
}

func (t *movedTable) was() string { return t.schema + "." + t.name }

func (t *movedTable) quoted(schema string) string {
	return postgres.QuoteIdentifier(schema) + "." + postgres.QuoteIdentifier(t.name)
}

// MoveTables moves tables. All of them come, or nothing does.
func MoveTables(ctx context.Context, o TableOptions) (moved []MovedTable, err error) {
	m := &mover{TableOptions: o}
	if m.from, err = postgres.Connect(ctx, o.From, ""); err != nil {
		return nil, fmt.Errorf("connect to the scratch server: %w", err)
	}
	defer m.from.Close(ctx) //nolint:errcheck // it is thrown away
	if m.to, err = postgres.Connect(ctx, o.To, ""); err != nil {
		return nil, fmt.Errorf("connect to the server to restore to: %w", err)
	}
	defer m.to.Close(ctx) //nolint:errcheck // all was asked and answered
	for _, step := range []func(context.Context) error{m.programs, m.find, m.refuse, m.detach} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	made, err := m.makeSchema(ctx)
	if err != nil {
		return nil, err
	}
	if err := m.move(ctx); err != nil {
		if made {
			_, derr := postgres.Query(context.WithoutCancel(ctx), m.to, "DROP SCHEMA "+postgres.QuoteIdentifier(o.Schema))
			err = errors.Join(err, derr)
		}
		return nil, err
	}
	return m.compare(ctx)
}

func (m *mover) step(format string, args ...any) {
	if m.OnStep != nil {
		m.OnStep(fmt.Sprintf(format, args...))
	}
}

// programs finds programs that are as new as both servers.
func (m *mover) programs(ctx context.Context) error {
	from, _, err := whoIs(ctx, m.from)
	if err != nil {
		return err
	}
	to, _, err := whoIs(ctx, m.to)
	if err != nil {
		return err
	}
	if to < from {
		return fmt.Errorf("the tables are of PostgreSQL %d, and the server to restore to is %d: it may not understand what is newer; restore to %d or later", from, to, from)
	}
	if m.client.Address, err = postgres.ParseAddress(m.From); err != nil {
		return err
	}
	m.client.Bin, err = postgres.ClientPrograms(to, m.BinDir)
	return err
}

// find finds the tables, and the partitions of those that have some.
func (m *mover) find(ctx context.Context) error {
	for _, table := range m.Tables {
		rows, err := postgres.Query(ctx, m.from, fmt.Sprintf(`SELECT n.nspname, c.relname, c.relkind, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind IN ('r', 'p', 'm', 'v') AND %s AND n.nspname NOT LIKE 'pg\_%%' ORDER BY 1`, table.condition()))
		switch {
		case err != nil:
			return fmt.Errorf("find table %s: %w", table, err)
		case len(rows) == 0:
			return fmt.Errorf("there was no table %s in the database then; write it like schema.table, in the letters that it has, and name its database with --database", table)
		case len(rows) > 1:
			return fmt.Errorf("several tables are named %s: write the schema, too, such as %s.%s", table, rows[0][0], rows[0][1])
		}
		m.add(rows[0], false)
		if rows[0][2] != "p" {
			continue
		}
		parts, err := postgres.Query(ctx, m.from, fmt.Sprintf(`SELECT n.nspname, c.relname, c.relkind FROM pg_partition_tree(%s) t JOIN pg_class c ON c.oid = t.relid
			JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.level > 0 AND c.relkind IN ('r', 'p')`, rows[0][3]))
		if err != nil {
			return fmt.Errorf("find the partitions of %s: %w", table, err)
		}
		for _, part := range parts {
			m.add(part, true)
		}
	}
	return nil
}

func (m *mover) add(row []string, part bool) {
	t := &movedTable{schema: row[0], name: row[1], kind: row[2], part: part, to: row[0]}
	if m.Schema != "" {
		t.to = m.Schema
	}
	if !slices.ContainsFunc(m.tables, func(o *movedTable) bool { return o.was() == t.was() }) {
		m.tables = append(m.tables, t)
	}
}

// refuse refuses tables that are there already.
func (m *mover) refuse(ctx context.Context) error {
	for _, t := range m.tables {
		if err := refuseExisting(ctx, m.to, t.to, t.name); err != nil {
			return err
		}
	}
	return nil
}

// detach brings the tables into the new schema already where they are, without
// what ties them to others.
func (m *mover) detach(ctx context.Context) error {
	if m.Schema == "" {
		return nil
	}
	if _, err := postgres.Query(ctx, m.from, "CREATE SCHEMA IF NOT EXISTS "+postgres.QuoteIdentifier(m.Schema)); err != nil {
		return fmt.Errorf("make schema %s: %w", m.Schema, err)
	}
	for _, t := range m.tables {
		if err := m.untie(ctx, t); err != nil {
			return err
		}
		to := "ALTER TABLE " + t.quoted(t.schema) + " SET SCHEMA " + postgres.QuoteIdentifier(t.to)
		switch {
		case t.kind == "m" || t.kind == "v":
			// It would be filled anew, from the tables in use.
			to = "CREATE TABLE " + t.quoted(t.to) + " AS TABLE " + t.quoted(t.schema)
		case t.schema == t.to:
			continue
		}
		if _, err := postgres.Query(ctx, m.from, to); err != nil {
			return fmt.Errorf("bring %s into schema %s: %w", t.was(), t.to, err)
		}
	}
	return nil
}

// ties lists what ties a table to others, as what it is and how it is dropped.
const ties = `SELECT 'foreign key ' || conname, format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname) FROM pg_constraint
		WHERE conrelid = %[1]s::regclass AND contype = 'f' AND conparentid = 0
	UNION ALL SELECT 'trigger ' || tgname, format('DROP TRIGGER %%I ON %%s', tgname, tgrelid::regclass) FROM pg_trigger
		WHERE tgrelid = %[1]s::regclass AND NOT tgisinternal AND tgparentid = 0
	UNION ALL SELECT 'policy ' || polname, format('DROP POLICY %%I ON %%s', polname, polrelid::regclass) FROM pg_policy WHERE polrelid = %[1]s::regclass
	UNION ALL SELECT 'rule ' || rulename, format('DROP RULE %%I ON %%s', rulename, ev_class::regclass) FROM pg_rewrite WHERE ev_class = %[1]s::regclass
	UNION ALL SELECT NULL, format('ALTER TABLE %%s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', oid::regclass) FROM pg_class WHERE oid = %[1]s::regclass AND relrowsecurity`

func (m *mover) untie(ctx context.Context, t *movedTable) error {
	if t.kind == "m" || t.kind == "v" {
		return nil
	}
	rows, err := postgres.Query(ctx, m.from, fmt.Sprintf(ties, postgres.QuoteLiteral(t.quoted(t.schema))))
	for _, row := range rows {
		if err == nil {
			_, err = postgres.Query(ctx, m.from, row[1])
		}
		if row[0] != "" && !t.part {
			m.step("left behind: %s of %s", row[0], t.was())
		}
	}
	if err != nil {
		return fmt.Errorf("untie %s from other tables: %w", t.was(), err)
	}
	return nil
}

// makeSchema makes the new schema where the tables come to, unless it is there.
func (m *mover) makeSchema(ctx context.Context) (made bool, err error) {
	if m.Schema == "" {
		return false, nil
	}
	rows, err := postgres.Query(ctx, m.to, "SELECT FROM pg_namespace WHERE nspname = "+postgres.QuoteLiteral(m.Schema))
	if err == nil && len(rows) == 0 {
		made = true
		_, err = postgres.Query(ctx, m.to, "CREATE SCHEMA "+postgres.QuoteIdentifier(m.Schema))
	}
	if err != nil {
		return false, fmt.Errorf("make schema %s: %w", m.Schema, err)
	}
	return made, nil
}

// move dumps the tables right into the other server, in one transaction.
func (m *mover) move(ctx context.Context) error {
	var names []string
	for _, t := range m.tables {
		if !t.part {
			names = append(names, t.was())
		}
	}
	m.step("moving %s, with indexes and constraints", strings.Join(names, ", "))
	to, err := postgres.ParseAddress(m.To)
	if err != nil {
		return err
	}
	target := postgres.Client{Bin: m.client.Bin, Address: to}
	args := []string{
		"--format=custom", "--compress=0", "--no-password", "--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions",
		"--no-security-labels", "--no-tablespaces", "--strict-names", "--dbname=" + m.client.To(databaseOf(m.From)),
	}
	for _, t := range m.tables {
		args = append(args, "--table="+t.quoted(t.to))
	}
	out, err := m.client.Start(ctx, "pg_dump", args...)
	if err != nil {
		return fmt.Errorf("dump the tables: %w", err)
	}
	_, err = target.Feed(ctx, func(w io.Writer) error {
		_, err := io.Copy(w, out)
		return err
	}, "pg_restore", "--format=custom", "--no-password", "--no-owner", "--exit-on-error", "--single-transaction", "--dbname="+target.To(databaseOf(m.To)))
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("restore the tables, of which nothing was kept: %w", err)
	}
	return nil
}

// databaseOf returns the database that a connection string names.
func databaseOf(dsn string) string {
	if cfg, err := pgconn.ParseConfig(dsn); err == nil && cfg.Database != "" {
		return cfg.Database
	}
	return "postgres"
}

// compare counts the rows on both sides.
func (m *mover) compare(ctx context.Context) (moved []MovedTable, err error) {
	for _, t := range m.tables {
		if t.part {
			continue
		}
		question := "SELECT count(*) FROM " + t.quoted(t.to)
		var was, is int64
		if was, err = number(ctx, m.from, question); err == nil {
			is, err = number(ctx, m.to, question)
		}
		if err == nil && was != is {
			err = fmt.Errorf("%d rows came of %d", is, was)
		}
		if err != nil {
			return moved, fmt.Errorf("table %s.%s, as it is now: %w", t.to, t.name, err)
		}
		moved = append(moved, MovedTable{From: t.was(), To: t.to + "." + t.name, Rows: is})
	}
	return moved, nil
}

func number(ctx context.Context, conn *pgconn.PgConn, question string) (n int64, err error) {
	rows, err := postgres.Query(ctx, conn, question)
	if err == nil {
		_, err = fmt.Sscan(rows[0][0], &n)
	}
	return n, err
}
