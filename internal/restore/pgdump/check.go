package pgdump

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/postgres"
	"holdfast/internal/size"
)

// check finds all that would fail, before anything is changed.
func (r *restorer) check(ctx context.Context) error {
	var err error
	if r.client.Address, err = postgres.ParseAddress(r.DSN); err != nil {
		return err
	}
	if err := r.choose(); err != nil {
		return err
	}
	conn, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // questions were asked and answered
	if err := r.programs(ctx, conn); err != nil {
		return err
	}
	if err := r.extensions(ctx, conn); err != nil {
		return err
	}
	if err := r.existing(ctx, conn); err != nil {
		return err
	}
	if err := r.room(); err != nil {
		return err
	}
	return r.selections(ctx)
}

// choose says which databases are restored.
func (r *restorer) choose() error {
	var names []string
	for k := range r.Dump.Databases {
		db := &r.Dump.Databases[k]
		names = append(names, db.Name)
		if slices.Contains(r.Databases, db.Name) || len(r.Databases) == 0 && !db.Empty {
			r.restore = append(r.restore, &database{DumpedDatabase: db, to: db.Name})
		}
	}
	for _, name := range r.Databases {
		if !slices.Contains(names, name) {
			return fmt.Errorf("database %s is not in the dump, which has %s", name, strings.Join(names, ", "))
		}
	}
	if one := len(r.restore) == 1; !one && (r.Into != "" || len(r.Schemas)+len(r.Tables) > 0) {
		return fmt.Errorf("another name, a schema or a table is for one database: name it with --database (the dump has %s)", strings.Join(names, ", "))
	}
	if r.Into != "" {
		r.restore[0].to = r.Into
	}
	return nil
}

// noSuchDatabase is the SQLSTATE of a connection to a database that is not
// there: it may be the one to restore.
const noSuchDatabase = "3D000"

func (r *restorer) connect(ctx context.Context) (*pgconn.PgConn, error) {
	conn, err := postgres.Connect(ctx, r.DSN, "")
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) && refused.Code == noSuchDatabase {
		conn, err = postgres.Connect(ctx, r.DSN, "postgres")
	}
	if err != nil {
		return nil, fmt.Errorf("connect to the server to restore to: %w", err)
	}
	return conn, nil
}

// programs finds pg_restore, which must be as new as the pg_dump that was used
// and as the server.
func (r *restorer) programs(ctx context.Context, conn *pgconn.PgConn) error {
	rows, err := postgres.Query(ctx, conn, "SELECT current_setting('server_version_num')::int / 10000, current_database(), pg_is_in_recovery()")
	if err != nil {
		return fmt.Errorf("ask the server who it is: %w", err)
	}
	major, err := strconv.Atoi(rows[0][0])
	if err != nil {
		return fmt.Errorf("ask the server who it is: %w", err)
	}
	if rows[0][2] == "t" {
		return errors.New("the server to restore to is a standby, which is read-only; name its primary")
	}
	if major < r.Dump.Major {
		return fmt.Errorf("the dump is of PostgreSQL %d, and the server to restore to is %d: it may not understand what is newer; restore to %d or later", r.Dump.Major, major, r.Dump.Major)
	}
	r.first = rows[0][1]
	r.client.Bin, err = postgres.ClientPrograms(max(major, r.Dump.Program), r.BinDir)
	return err
}

// extensions makes sure that the server has those that the databases use.
func (r *restorer) extensions(ctx context.Context, conn *pgconn.PgConn) error {
	rows, err := postgres.Query(ctx, conn, "SELECT name FROM pg_available_extensions")
	if err != nil {
		return fmt.Errorf("list the server's extensions: %w", err)
	}
	there := map[string]bool{}
	for _, row := range rows {
		there[row[0]] = true
	}
	var missing []string
	for _, db := range r.restore {
		for _, e := range db.Extensions {
			if !there[e.Name] {
				missing = append(missing, fmt.Sprintf("%s %s (database %s)", e.Name, e.Version, db.Name))
			}
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the server to restore to does not have these extensions: %s; install their packages there first. Nothing was changed", strings.Join(missing, ", "))
	}
	return nil
}

// existing refuses to restore over what is there. Databases that every server
// has may be used while they are empty.
func (r *restorer) existing(ctx context.Context, conn *pgconn.PgConn) error {
	rows, err := postgres.Query(ctx, conn, "SELECT datname FROM pg_database")
	if err != nil {
		return fmt.Errorf("list the server's databases: %w", err)
	}
	var refused []string
	for _, db := range r.restore {
		db.exists = slices.ContainsFunc(rows, func(row []string) bool { return row[0] == db.to })
		if !db.exists || r.Clean {
			continue
		}
		empty := false
		if db.to == "postgres" || db.to == "template1" {
			if empty, err = r.isEmpty(ctx, db.to); err != nil {
				return err
			}
		}
		if !empty {
			refused = append(refused, db.to)
		}
	}
	if len(refused) > 0 {
		return fmt.Errorf("on the server there is already: database %s. Restore beside it with --into NEWNAME, or replace in it what the dump has with --clean. Nothing was changed", strings.Join(refused, ", "))
	}
	return nil
}

func (r *restorer) isEmpty(ctx context.Context, name string) (bool, error) {
	conn, err := postgres.Connect(ctx, r.DSN, name)
	if err != nil {
		return false, fmt.Errorf("look into database %s: %w", name, err)
	}
	defer conn.Close(ctx) //nolint:errcheck // a question was asked and answered
	rows, err := postgres.Query(ctx, conn, "SELECT "+postgres.IsEmptySQL)
	if err != nil {
		return false, fmt.Errorf("look into database %s: %w", name, err)
	}
	return rows[0][0] == "t", nil
}

// room makes sure that the largest dump has room in the scratch folder.
func (r *restorer) room() error {
	if r.Room == nil {
		return nil
	}
	free, err := r.Room()
	if err != nil {
		return err
	}
	for _, db := range r.restore {
		need := uint64(db.Bytes) //nolint:gosec // never negative
		switch {
		case need <= free, r.Jobs <= 1 && !db.Directory, db.Directory && len(r.Schemas)+len(r.Tables) > 0:
		case db.Directory:
			return fmt.Errorf("the dump of %s, which is a folder, takes %s of scratch space, and there are %s; name a folder with more room by TMPDIR",
				db.Name, size.FormatBytes(need), size.FormatBytes(free))
		default:
			return fmt.Errorf("the dump of %s takes %s of scratch space with --jobs, and there are %s; name a folder with more room by TMPDIR, or leave --jobs out to stream it",
				db.Name, size.FormatBytes(need), size.FormatBytes(free))
		}
	}
	return nil
}
