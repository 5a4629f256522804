package rowcount_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/postgres"
	"holdfast/internal/postgres/rowcount"
	"holdfast/test/pgcluster"
)

// asRestored takes a server for one that was recovered to its present end.
func asRestored(t *testing.T, c *pgcluster.Cluster) rowcount.Restored {
	t.Helper()
	at, err := postgres.ParseLSN(c.Query("SELECT pg_current_wal_insert_lsn()"))
	if err != nil {
		t.Fatal(err)
	}
	return rowcount.Restored{At: at, Connect: func(ctx context.Context, database string) (*pgconn.PgConn, error) {
		return postgres.Connect(ctx, c.DSN(), database)
	}}
}

func take(t *testing.T, c *pgcluster.Cluster, l rowcount.Limits) *rowcount.Counts {
	t.Helper()
	counts, err := rowcount.Take(t.Context(), c.DSN(), l)
	if err != nil {
		t.Fatal(err)
	}
	text, err := counts.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if counts, err = rowcount.Parse(text); err != nil {
		t.Fatal(err)
	}
	return counts
}

func compare(t *testing.T, r rowcount.Restored, counts *rowcount.Counts) *rowcount.Comparison {
	t.Helper()
	got, err := rowcount.Compare(t.Context(), r, counts)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Nothing but a transaction that was committed after the count explains a
// difference, one that was running at it included.
func TestCompare(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec(`CREATE SCHEMA "S s"; CREATE TABLE "S s"."T""t" AS SELECT generate_series(1, 1000) n; CREATE TABLE empty ();
			CREATE TABLE parts (n int) PARTITION BY RANGE (n); CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (9); INSERT INTO parts VALUES (1), (2);
			CREATE MATERIALIZED VIEW seen AS SELECT * FROM part; CREATE UNLOGGED TABLE passing AS SELECT 1; CREATE EXTENSION pg_trgm`)
		running, err := pgx.Connect(t.Context(), c.DSN())
		if err != nil {
			t.Fatal(err)
		}
		defer running.Close(t.Context())
		if _, err := running.Exec(t.Context(), "BEGIN; INSERT INTO empty DEFAULT VALUES", pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
		counts := take(t, c, rowcount.Limits{Views: true})
		if n, estimates := counts.Tables(); n != 4 || estimates != 0 {
			t.Errorf("%d tables are counted, %d estimated: %+v", n, estimates, counts)
		}
		got := compare(t, asRestored(t, c), counts)
		if !got.Exact || got.Compared != 4 || got.Equal != 4 || len(got.Wrong)+len(got.Changed)+len(got.Notes) > 0 {
			t.Errorf("right after: %+v", got)
		}
		r := asRestored(t, c)
		if _, err := running.Exec(t.Context(), "COMMIT"); err != nil {
			t.Fatal(err)
		}
		got = compare(t, r, counts)
		if got.Exact || got.Equal != 3 || len(got.Wrong) > 0 || len(got.Changed) != 1 || len(got.Notes) != 1 {
			t.Errorf("after a transaction that was running: %+v", got)
		}
		// The same as if nothing could have changed it.
		r.At = 0
		got = compare(t, r, counts)
		if !got.Exact || len(got.Wrong) != 1 || got.Wrong[0] != "postgres: table public.empty has 1 rows; it had 0" {
			t.Errorf("a dump with another row: %+v", got)
		}
		c.Exec(`DROP TABLE "S s"."T""t"`)
		got = compare(t, r, counts)
		if len(got.Wrong) != 2 || !strings.Contains(got.Wrong[0]+got.Wrong[1], `table S s.T"t is not there; it had 1000 rows`) {
			t.Errorf("a table is lost: %+v", got)
		}
		r.At = 1
		if got = compare(t, r, counts); got.Exact || len(got.Wrong) > 0 || !strings.Contains(got.Notes[0], "stopped before") {
			t.Errorf("recovered to before the count: %+v", got)
		}
	})
}

// What takes too long, or may not be read, is estimated, and says so.
func TestLimits(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec(`CREATE TABLE small AS SELECT 1; CREATE TABLE large AS SELECT repeat('x', 1000) FROM generate_series(1, 1000); ANALYZE;
			CREATE ROLE backup LOGIN; CREATE TABLE own (); ALTER TABLE own OWNER TO backup; GRANT SELECT ON small TO backup;
			ALTER TABLE small ENABLE ROW LEVEL SECURITY`)
		counts := take(t, c, rowcount.Limits{TableBytes: 100_000})
		if n, estimates := counts.Tables(); n != 3 || estimates != 1 {
			t.Errorf("%d tables, %d estimated: %+v", n, estimates, counts)
		}
		counts = take(t, c, rowcount.Limits{Until: time.Now().Add(-time.Second)})
		if _, estimates := counts.Tables(); estimates != 3 {
			t.Errorf("without time: %+v", counts)
		}
		counts, err := rowcount.Take(t.Context(), strings.Replace(c.DSN(), "postgres@", "backup@", 1), rowcount.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range counts.Databases[0].Tables {
			if (table.Estimate == "") != (table.Name == "own") || table.Name == "large" && table.Rows != 1000 {
				t.Errorf("for a user who may read one of them: %+v", table)
			}
		}
	})
}
