package postgres

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"
)

// Connect connects to a database of the server that a connection string means;
// "" is the one it names.
func Connect(ctx context.Context, dsn, database string) (*pgconn.PgConn, error) {
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, errDSN
	}
	if database != "" {
		cfg.Database = database
	}
	cfg.RuntimeParams["application_name"] = "holdfast"
	return ConnectConfig(ctx, cfg)
}

// Query returns the rows of the last statement, as text; NULL is "".
func Query(ctx context.Context, conn *pgconn.PgConn, sql string) ([][]string, error) {
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil || len(results) == 0 {
		return nil, err
	}
	var rows [][]string
	for _, values := range results[len(results)-1].Rows {
		row := make([]string, len(values))
		for k, value := range values {
			row[k] = string(value)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// IsEmptySQL tells of a database whether it has nothing that somebody made:
// object IDs below 16384 are those a server is born with (FirstNormalObjectId
// of src/include/access/transam.h).
const IsEmptySQL = `NOT EXISTS (SELECT FROM pg_class WHERE oid >= 16384 AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'pg\_toast%' OR nspname LIKE 'pg\_temp%'))
	AND NOT EXISTS (SELECT FROM pg_proc WHERE oid >= 16384) AND NOT EXISTS (SELECT FROM pg_type WHERE oid >= 16384)
	AND NOT EXISTS (SELECT FROM pg_namespace WHERE oid >= 16384 AND nspname NOT LIKE 'pg\_%')
	AND NOT EXISTS (SELECT FROM pg_extension WHERE oid >= 16384) AND NOT EXISTS (SELECT FROM pg_largeobject_metadata)`
