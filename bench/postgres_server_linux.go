package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// postgresServer is a PostgreSQL server that archives.
type postgresServer struct {
	bin, dir string
	owner    *syscall.Credential
}

// startPostgres makes a cluster below dir and starts its server, which
// listens on a socket there.
func startPostgres(ctx context.Context, bin, dir string) (*postgresServer, error) {
	s := &postgresServer{bin: bin, dir: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 { // as which PostgreSQL refuses to run
		u, err := user.Lookup("postgres")
		if err != nil {
			return nil, err
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32) //nolint:errcheck // a number, on Unix
		gid, _ := strconv.ParseUint(u.Gid, 10, 32) //nolint:errcheck // as above
		s.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		for _, path := range []string{dir, filepath.Dir(dir)} {
			if err := os.Chown(path, int(uid), int(gid)); err != nil {
				return nil, err
			}
		}
	}
	if err := s.run(ctx, "initdb -D data -U postgres --data-checksums -A trust >/dev/null"); err != nil {
		return nil, err
	}
	settings := `
listen_addresses = ''
shared_buffers = 512MB
max_wal_size = 8GB
checkpoint_timeout = 1h
autovacuum = off
archive_mode = on
archive_command = '/bin/false'
`
	if s.notesChanges(ctx) {
		settings += "summarize_wal = on\n"
	}
	f, err := os.OpenFile(filepath.Join(dir, "data/postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteString(settings + "unix_socket_directories = '" + dir + "'\n"); err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	if err := s.run(ctx, "pg_ctl -D data -w -l log start >/dev/null"); err != nil {
		return nil, err
	}
	// What compresses like real rows: numbers, dates, words and some noise.
	return s, s.sql(ctx, "CREATE TABLE orders (id bigserial PRIMARY KEY, at timestamptz, customer int, state text, note text, token text)")
}

// notesChanges tells whether the server can note which blocks change, as those
// from version 17 on can.
func (s *postgresServer) notesChanges(ctx context.Context) bool {
	out, err := s.command(ctx, "postgres --version").Output()
	var major int
	_, serr := fmt.Sscanf(string(out), "postgres (PostgreSQL) %d", &major)
	return err == nil && serr == nil && major >= 17
}

func (s *postgresServer) log() string { return filepath.Join(s.dir, "log") }

// command prepares a shell command to run as the server's user.
func (s *postgresServer) command(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "PATH="+s.bin+":"+os.Getenv("PATH"), "PGHOST="+s.dir, "PGUSER=postgres", "PGDATABASE=postgres", "HOME="+s.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner, Pdeathsig: syscall.SIGTERM}
	return cmd
}

func (s *postgresServer) run(ctx context.Context, line string) error {
	if out, err := s.command(ctx, line).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", line, err, out)
	}
	return nil
}

func (s *postgresServer) sql(ctx context.Context, statement string) error {
	return s.run(ctx, `psql -XAtq -v ON_ERROR_STOP=1 -c "`+statement+`"`)
}

func (s *postgresServer) stop() {
	s.run(context.Background(), "pg_ctl -D data -m immediate -w stop") //nolint:errcheck // it may be down
}

// waiting returns the segments that wait to be archived.
func (s *postgresServer) waiting() []string {
	found, _ := filepath.Glob(filepath.Join(s.dir, "data/pg_wal/archive_status/*.ready")) //nolint:errcheck // the pattern is sound
	return found
}

// archiveWith has the server archive with a command from now on.
func (s *postgresServer) archiveWith(ctx context.Context, command string) error {
	quoted := strings.NewReplacer("'", "''", `"`, `\"`).Replace(command)
	if err := s.sql(ctx, "ALTER SYSTEM SET archive_command = '"+quoted+"'"); err != nil {
		return err
	}
	return s.sql(ctx, "SELECT pg_reload_conf()")
}

// backlog has the server write until so many segments wait.
func (s *postgresServer) backlog(ctx context.Context, segments int) error {
	if err := s.archiveWith(ctx, "/bin/false"); err != nil {
		return err
	}
	time.Sleep(time.Second) // the archiver has to notice
	if err := s.sql(ctx, "TRUNCATE orders"); err != nil {
		return err
	}
	for len(s.waiting()) < segments {
		if err := s.sql(ctx, `INSERT INTO orders (at, customer, state, note, token)
SELECT now() + g * interval '1 s', (random() * 20000)::int, (array['new', 'paid', 'sent', 'back'])[1 + g % 4],
  'delivery to street ' || (random() * 900)::int || ', to be left with the neighbours', md5(random()::text)
FROM generate_series(1, 50000) g`); err != nil {
			return err
		}
	}
	return s.sql(ctx, "CHECKPOINT")
}
