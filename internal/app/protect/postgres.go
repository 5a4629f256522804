package protect

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/internal/config"
	"holdfast/internal/postgres"
	"holdfast/internal/secret"
)

// Postgres returns the source that a connection string means, and the password
// that stood in it, which is not a part of the source.
func Postgres(argument string) (source *config.Postgres, password string, err error) {
	u, err := postgres.ParseURL(argument)
	if err != nil {
		return nil, "", err
	}
	if postgres.HasKeyPassword(argument) {
		return nil, "", postgres.ErrKeyPassword
	}
	password, _ = u.Password()
	return &config.Postgres{DSN: u.Without().String(), WAL: "stream"}, password, nil
}

// nameOf names a source after its database, or else its host.
func nameOf(p config.Postgres) string {
	u, err := postgres.ParseURL(p.DSN)
	if err != nil {
		return "postgres"
	}
	if name := slug(u.Database()); name != "" && name != "postgres" {
		return name
	}
	if name := slug(u.Host()); name != "" && !strings.HasPrefix(name, "127") && name != "localhost" {
		return name
	}
	return "postgres"
}

// choosePostgres is chooseSource for a PostgreSQL server.
func (s *Setup) choosePostgres(cfg *config.Config, r Request, taken func(string) bool, names []string) {
	for _, name := range names {
		if known := cfg.Sources[name].Postgres; known != nil && known.DSN == r.Postgres.DSN {
			s.Source, s.Postgres = name, known
			return
		}
	}
	p := *r.Postgres
	s.Source, s.Postgres = free(slug(cmp.Or(r.Name, nameOf(p))), taken), &p
	if r.HasDSNPassword {
		p.Password = secret.Ref{File: filepath.Join(filepath.Dir(r.ConfigPath), s.Source+".dsn-password")}
	}
	s.Added.Sources = map[string]config.Source{s.Source: {Postgres: &p}}
}

// KeepDSNPassword writes the password of a connection string into the file
// that the source refers to, for its owner alone. It tells where that is; ""
// means that the source has its password elsewhere.
func (s *Setup) KeepDSNPassword(password string) (string, error) {
	file := s.Postgres.Password.File
	if password == "" || file == "" {
		return "", nil
	}
	if old, err := os.ReadFile(file); err == nil && slices.Equal(old, []byte(password+"\n")) {
		return file, nil
	}
	if err := writeFile(file, password+"\n", os.Rename); err != nil {
		return "", fmt.Errorf("keep the password of the connection string: %w", err)
	}
	return file, nil
}
