package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/postgres"
)

// look finds out what there is to dump.
func (d *Dumps) look(ctx context.Context) error {
	conn, err := d.connect(ctx, "")
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL for a dump: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // questions were asked and answered
	row, err := one(ctx, conn, `SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000,
		current_database(), has_table_privilege('pg_authid', 'SELECT'), extract(epoch FROM clock_timestamp())`)
	if err != nil {
		return fmt.Errorf("ask the server who it is: %w", err)
	}
	d.list.Server, d.first, d.list.RolePasswords = row[0], row[2], row[3] == "t"
	if d.list.Major, err = strconv.Atoi(row[1]); err != nil {
		return fmt.Errorf("ask the server who it is: %w", err)
	}
	if d.list.Started, err = epoch(row[4]); err != nil {
		return err
	}
	return d.databases(ctx, conn)
}

// databases lists the databases to dump. Settings that only some versions have
// are asked for by way of JSON.
func (d *Dumps) databases(ctx context.Context, conn *pgconn.PgConn) error {
	rows, err := postgres.Query(ctx, conn, `SELECT d.datname, pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
		coalesce(to_jsonb(d)->>'datlocprovider', ''), coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale', ''), d.datallowconn
		FROM pg_database d ORDER BY d.datname`)
	if err != nil {
		return fmt.Errorf("list the databases: %w", err)
	}
	missing := slices.Clone(d.o.Databases)
	for _, row := range rows {
		db := postgres.DumpedDatabase{
			Name: row[0], File: postgres.DumpFile(row[0]), Owner: row[1], Encoding: row[2], Collate: row[3], CType: row[4],
			Provider: row[5], Locale: row[6], Extensions: []postgres.Extension{},
		}
		named := slices.Contains(d.o.Databases, db.Name)
		if named && row[7] != "t" {
			return fmt.Errorf("database %s allows no connections, so it cannot be dumped; take it out of databases", db.Name)
		}
		if named || len(d.o.Databases) == 0 && row[7] == "t" {
			d.list.Databases = append(d.list.Databases, db)
			missing = slices.DeleteFunc(missing, func(name string) bool { return name == db.Name })
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the server has no database %s; correct databases in holdfast.yaml", strings.Join(missing, ", "))
	}
	return nil
}

// lookInto finds out what a database needs of a server.
func (d *Dumps) lookInto(ctx context.Context, db *postgres.DumpedDatabase) error {
	conn, err := d.connect(ctx, db.Name)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // questions were asked and answered
	row, err := one(ctx, conn, "SELECT "+postgres.IsEmptySQL)
	if err != nil {
		return err
	}
	db.Empty = row[0] == "t"
	rows, err := postgres.Query(ctx, conn, "SELECT extname, extversion FROM pg_extension ORDER BY extname")
	for _, row := range rows {
		db.Extensions = append(db.Extensions, postgres.Extension{Name: row[0], Version: row[1]})
	}
	return err
}

// now asks the server for the time.
func (d *Dumps) now(ctx context.Context) (time.Time, error) {
	conn, err := d.connect(ctx, "")
	if err != nil {
		return time.Time{}, fmt.Errorf("connect to PostgreSQL after the dumps: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // a question was asked and answered
	row, err := one(ctx, conn, "SELECT extract(epoch FROM clock_timestamp())")
	if err != nil {
		return time.Time{}, err
	}
	return epoch(row[0])
}

// connect connects to a database; "" is that of the connection string.
func (d *Dumps) connect(ctx context.Context, database string) (*pgconn.PgConn, error) {
	return postgres.Connect(ctx, d.o.DSN, database)
}

func epoch(text string) (time.Time, error) {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("the server's time is %q", text)
	}
	return time.UnixMicro(int64(seconds * 1e6)).UTC(), nil
}

var errNoAnswer = errors.New("the server gives no answer")

func one(ctx context.Context, conn *pgconn.PgConn, sql string) ([]string, error) {
	rows, err := postgres.Query(ctx, conn, sql)
	if err == nil && len(rows) == 0 {
		err = errNoAnswer
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}
