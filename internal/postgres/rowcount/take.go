package rowcount

import (
	"context"
	"errors"
	"fmt"

	"holdfast/internal/postgres"
)

// maxDatabases bounds how many databases are held at one moment, each by a
// connection.
const maxDatabases = 40

// Take counts the rows of all databases of a server, at one moment that has a
// place in the log wherever there is one. What cannot be counted is recorded
// with the reason; an error means that there are no counts at all.
func Take(ctx context.Context, dsn string, l Limits) (*Counts, error) {
	names, err := databases(ctx, dsn)
	if err != nil {
		return nil, err
	}
	c := &Counts{Format: countsFormat}
	moments := make([]*Moment, len(names))
	all := &together{dsn: dsn}
	defer func() {
		for _, m := range all.moments {
			m.Close()
		}
	}()
	for k, name := range names {
		db := Database{Name: name, Tables: []Table{}}
		if k >= maxDatabases {
			db.Left = fmt.Sprintf("no more than %d databases are counted", maxDatabases)
		} else if m, err := connect(ctx, dsn, name); err != nil {
			db.Left = err.Error()
		} else {
			moments[k], all.moments = m, append(all.moments, m)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		c.Databases = append(c.Databases, db)
	}
	if len(all.moments) == 0 {
		return c, nil
	}
	exact, err := all.align(ctx)
	if err != nil {
		return nil, fmt.Errorf("hold a moment of all databases: %w", err)
	}
	for k, m := range moments {
		if m == nil {
			continue
		}
		m.Near = !exact && !m.Standby
		err := m.Count(ctx, l)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		c.Databases[k] = m.Database
		if err != nil {
			c.Databases[k].Left = err.Error()
		}
	}
	leaveMark(ctx, dsn)
	return c, nil
}

// leaveMark writes something into the log, so that a recovery can stop right
// before it: at the last moment of the counts. Without, it stops elsewhere.
func leaveMark(ctx context.Context, dsn string) {
	if conn, err := postgres.Connect(ctx, dsn, ""); err == nil {
		postgres.Query(ctx, conn, "SELECT pg_logical_emit_message(false, 'holdfast', 'rows counted')") //nolint:errcheck // see above
		conn.Close(ctx)                                                                                //nolint:errcheck // as above
	}
}

func databases(ctx context.Context, dsn string) (names []string, err error) {
	conn, err := postgres.Connect(ctx, dsn, "")
	if err != nil {
		return nil, err
	}
	rows, err := postgres.Query(ctx, conn, "SELECT datname FROM pg_database WHERE datallowconn AND has_database_privilege(datname, 'CONNECT') ORDER BY datname")
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return nil, fmt.Errorf("list the databases: %w", err)
	}
	for _, row := range rows {
		names = append(names, row[0])
	}
	return names, nil
}

// New returns empty counts, to which databases are added.
func New() *Counts { return &Counts{Format: countsFormat, Databases: []Database{}} }
