package postgres_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/postgres"
)

// What libpq takes for a password is no part of what others may see, also where
// it is written as no other program would take it.
func TestPasswordInURL(t *testing.T) {
	for _, dsn := range []string{
		"postgres://ann:hush#1@db/shop?sslmode=disable",
		"postgres://ann:hush?1@db/shop?sslmode=disable",
		"postgres://ann:hush%231@db/shop",
		"postgres://ann:hush:1@db:5433/shop?options=-c%20a%3Db",
		"postgres://ann:hush[1]@a:1,[::1]:2,b/shop?sslmode=disable",
		"postgres://ann:hush@%2Frun%2Fpostgresql/shop?sslmode=disable",
		"postgresql://ann:hush%zz@db/shop",
		"postgresql://ann:hush@/shop?host=/run/postgresql",
		"postgresql:///shop?host=/run/postgresql&password=hush%261&user=ann&password=hush+2",
		"postgresql://db?user=ann&p%61ssword=hush",
	} {
		u, err := postgres.ParseURL(dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		if u.String() != dsn {
			t.Errorf("%s becomes %s", dsn, u)
		}
		if !postgres.HasPassword(dsn) {
			t.Errorf("%s has no password", dsn)
		}
		a, err := postgres.ParseAddress(dsn)
		if strings.Contains(dsn, "%zz") {
			if err == nil {
				t.Errorf("%s is taken", dsn)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		seen := []string{a.String(), a.To("my/db"), u.Without().String()}
		for _, text := range seen {
			if strings.Contains(text, "hush") {
				t.Errorf("%s becomes %s", dsn, text)
			}
		}
		was, _ := pgconn.ParseConfig(dsn) //nolint:errcheck // ParseAddress asked it, too
		password, _ := u.Password()
		if !a.Shown || password != was.Password {
			t.Errorf("%s: the password is %q, want %q", dsn, password, was.Password)
		}
		is, err := pgconn.ParseConfig(a.To("my/db"))
		if err != nil || is.Host != was.Host || is.Port != was.Port || is.User != was.User || is.Database != "my/db" || len(is.Fallbacks) != len(was.Fallbacks) {
			t.Errorf("%s leads elsewhere as %s: %v", dsn, a.To("my/db"), err)
		}
		again, err := pgconn.ParseConfig(u.WithPassword("p@s/s w:o?r#d%+").String())
		if err != nil || again.Password != "p@s/s w:o?r#d%+" || again.User != was.User || again.Host != was.Host || again.Database != was.Database {
			t.Errorf("%s with another password: %v", dsn, err)
		}
	}
}

// Where nobody knows which part is the password, none of it is shown.
func TestPasswordSomewhere(t *testing.T) {
	for _, dsn := range []string{"postgres://ann:hu@sh@db/shop", "postgres://ann:hu/sh@db/shop", "postgres://ann:hush@x@db?sslmode=disable"} {
		_, err := postgres.ParseURL(dsn)
		if err == nil || strings.Contains(err.Error(), "sh@") || strings.Contains(err.Error(), "ann") {
			t.Errorf("%s: %v", dsn, err)
		}
		if _, err := postgres.ParseAddress(dsn); err == nil {
			t.Errorf("%s is taken", dsn)
		}
		if !postgres.HasPassword(dsn) {
			t.Errorf("%s has no password", dsn)
		}
	}
	for dsn, want := range map[string]bool{"host=db password=hush": true, "host=db application_name='password x'": false, "postgres://ann@db": false, "": false} {
		if got := postgres.HasPassword(dsn); got != want {
			t.Errorf("%q: %t, want %t", dsn, got, want)
		}
	}
}

func TestURL(t *testing.T) {
	for dsn, want := range map[string][2]string{
		"postgres://ann@db.internal:5433/shop?a=b": {"db.internal", "shop"},
		"postgres://[::1]:5433/my%20shop":          {"::1", "my shop"},
		"postgres://%2Frun%2Fpostgresql":           {"/run/postgresql", ""},
		"postgres://a:1,b:2/shop":                  {"a", "shop"},
		"postgresql:///shop":                       {"", "shop"},
	} {
		u, err := postgres.ParseURL(dsn)
		if err != nil || u.Host() != want[0] || u.Database() != want[1] {
			t.Errorf("%s: host %q, database %q, %v", dsn, u.Host(), u.Database(), err)
		}
	}
}
