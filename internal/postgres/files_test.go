package postgres

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Whatever lets one in is named, whoever names it to libpq.
func TestFiles(t *testing.T) {
	home, elsewhere := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	at := func(name string) string { return filepath.Join(elsewhere, name) }
	services := "[other]\nsslkey=" + at("other-key") + "\n[shop]\nhost = db\nsslkey = " + at("service-key") + "\n"
	if err := os.WriteFile(at("services"), []byte(services), 0o600); err != nil {
		t.Fatal(err)
	}
	usual := []string{filepath.Join(home, ".pg_service.conf"), filepath.Join(home, ".pgpass"), filepath.Join(home, ".postgresql")}
	for name, c := range map[string]struct {
		dsn         string
		environment map[string]string
		want        []string
	}{
		"usual":                      {"postgres://backup@db/shop", nil, nil},
		"url":                        {"postgres://backup@db/shop?passfile=" + at("pass") + "&sslkey=" + at("key"), nil, []string{at("key"), at("pass")}},
		"words":                      {"host=db sslrootcert='" + at("a root") + "' passfile=relative sslcert=" + at("cert"), nil, []string{at("a root"), at("cert")}},
		"environment":                {"host=db", map[string]string{"PGPASSFILE": at("pass"), "PGSSLKEY": at("key")}, []string{at("key"), at("pass")}},
		"service":                    {"service=shop", map[string]string{"PGSERVICEFILE": at("services")}, []string{at("service-key"), at("services")}},
		"service of the environment": {"", map[string]string{"PGSERVICEFILE": at("services"), "PGSERVICE": "shop"}, []string{at("service-key"), at("services")}},
		"no such service":            {"service=none", map[string]string{"PGSERVICEFILE": at("services")}, []string{at("services")}},
		"not to be read":             {"host='db", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range c.environment {
				t.Setenv(variable, value)
			}
			want := slices.Sorted(slices.Values(append(c.want, usual...)))
			if got := Files(c.dsn); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
