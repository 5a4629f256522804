package postgres_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/postgres"
)

// No form of a connection string hands its password to those who look at the
// list of processes, and all else stays.
func TestAddress(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://ann:hush@db:5433/shop?sslmode=require":         "postgres://ann@db:5433/my%20db?sslmode=require",
		"postgresql://db/shop?password=hush&user=ann&dbname=other": "postgresql://db/my%20db?user=ann",
		"postgres://ann@a:1,b:2/shop":                              "postgres://ann@a:1,b:2/my%20db",
		`host=db user = 'an''n' password='hu sh' dbname=shop`:      "",
		`host=db user='an\'n' password='hush\'' dbname=shop`:       `host='db' user='an\'n' dbname='my db'`,
		`password=hush host=/run/postgresql port=5433`:             `host='/run/postgresql' port='5433' dbname='my db'`,
	} {
		a, err := postgres.ParseAddress(dsn)
		if want == "" {
			if err == nil {
				t.Errorf("%s is taken for %s", dsn, a.To("x"))
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		got := a.To("my db")
		if got != want {
			t.Errorf("%s becomes %s, want %s", dsn, got, want)
		}
		cfg, err := pgconn.ParseConfig(got)
		if err != nil || cfg.Database != "my db" {
			t.Errorf("%s names database %q, %v", got, cfg.Database, err)
		}
		if a.Shown != slices.ContainsFunc(a.Env(), func(v string) bool { return len(v) > 11 && v[:11] == "PGPASSWORD=" }) {
			t.Errorf("%s: the password is not handed over", dsn)
		}
	}
	for _, dsn := range []string{"host", "host='x", "postgres://db/shop?sslpassword=hush", "host=db sslpassword=hush"} {
		if _, err := postgres.ParseAddress(dsn); err == nil {
			t.Errorf("%q is taken", dsn)
		}
	}
}

func TestDumpFile(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"shop", "../shop", "a/b", "a%2Fb", "dump", "globals", ".", "..", "Größe", `a\b:c`} {
		file := postgres.DumpFile(name)
		if other, ok := seen[file]; ok {
			t.Errorf("%q and %q are both %s", name, other, file)
		}
		seen[file] = name
		for _, c := range file {
			if c == '/' || c == '\\' {
				t.Errorf("%q becomes %s", name, file)
			}
		}
		if file == postgres.DumpGlobals || file == postgres.DumpList || file[0] == '.' {
			t.Errorf("%q becomes %s", name, file)
		}
	}
}
