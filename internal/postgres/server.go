package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/storage/tempfile"
)

// Server is a PostgreSQL server on this host, with its data directory.
type Server struct {
	// Bin is the folder of its programs.
	Bin string
	// Data is the data directory. The server runs as its owner.
	Data string
	// Options are settings that count more than those of its files.
	Options map[string]string
	// Log is the file that it logs to while it starts.
	Log string
	// Env is added to its environment, which restore_command inherits.
	Env []string
	// Apart gives it and the programs beside it a network of their own, which
	// leads nowhere, where CanBeApart says that this works. Its sockets in the
	// file system are reached all the same.
	Apart bool
}

// maxLogTail is how much of the log an error shows.
const maxLogTail = 2000

// Start starts the server and returns when it accepts connections, which it
// may do before its recovery is done.
func (s *Server) Start(ctx context.Context) error {
	var options []string
	for name, value := range s.Options {
		options = append(options, "-c "+name+"="+quoteOption(value))
	}
	// Detached from this process, as from a terminal: it stays.
	args := []string{"-D", s.Data, "-l", s.Log, "-w", "-t", "86400", "-o", strings.Join(options, " "), "start"}
	if out, err := s.run(ctx, "pg_ctl", args...); err != nil {
		return fmt.Errorf("start PostgreSQL on %s: %w\n%s\n%s", s.Data, err, bytes.TrimSpace(out), s.tail())
	}
	return nil
}

// quoteOption quotes a value for pg_ctl -o, which a shell reads.
func quoteOption(value string) string { return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'" }

// Stop stops the server: it ends all sessions and shuts down cleanly.
func (s *Server) Stop(ctx context.Context) error {
	if out, err := s.run(ctx, "pg_ctl", "-D", s.Data, "-m", "fast", "-w", "-t", "600", "stop"); err != nil {
		return fmt.Errorf("stop PostgreSQL on %s: %w\n%s", s.Data, err, bytes.TrimSpace(out))
	}
	return nil
}

// Running tells whether a server runs on the data directory.
func (s *Server) Running(ctx context.Context) bool {
	_, err := s.run(ctx, "pg_ctl", "-D", s.Data, "status")
	return err == nil
}

// Setting returns a setting as the files and Options have it.
func (s *Server) Setting(ctx context.Context, name string) (string, error) {
	if value, ok := s.Options[name]; ok {
		return value, nil
	}
	out, err := s.run(ctx, "postgres", "-D", s.Data, "-C", name)
	if err != nil {
		return "", fmt.Errorf("ask for the setting %s: %w\n%s", name, err, bytes.TrimSpace(out))
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1], nil
}

// Connect opens a connection as the given user, by the server's socket or on
// loopback.
func (s *Server) Connect(ctx context.Context, user, database string) (*pgconn.PgConn, error) {
	port, err := s.Setting(ctx, "port")
	if err != nil {
		return nil, err
	}
	sockets, err := s.Setting(ctx, "unix_socket_directories")
	if err != nil {
		return nil, err
	}
	host, _, _ := strings.Cut(sockets, ",")
	if host = strings.TrimSpace(host); host == "" {
		host = "127.0.0.1"
	}
	return pgconn.Connect(ctx, fmt.Sprintf("host='%s' port=%s user='%s' dbname='%s'", host, port, user, database))
}

// Recovered is where a recovery stopped.
type Recovered struct {
	// Timeline is the new one.
	Timeline uint32
	LSN      LSN
	// LastCommit is that of the last transaction that was replayed; zero when
	// there was none.
	LastCommit time.Time
	// Paused tells that the server waits at its target.
	Paused bool
}

// WaitRecovered waits until the server is done with its recovery, or has
// paused at its target.
func (s *Server) WaitRecovered(ctx context.Context, user string) (*Recovered, error) {
	for {
		r, err := s.recovered(ctx, user)
		if r != nil {
			return r, nil
		}
		if err != nil && !s.Running(ctx) {
			return nil, fmt.Errorf("PostgreSQL ended during recovery: %w\n%s", err, s.tail())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// recovered returns nil while the recovery goes on.
func (s *Server) recovered(ctx context.Context, user string) (*Recovered, error) {
	conn, err := s.Connect(ctx, user, "postgres")
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx) //nolint:errcheck // a question was asked and answered
	const question = `SELECT pg_is_in_recovery(),
		CASE WHEN pg_is_in_recovery() THEN pg_get_wal_replay_pause_state() = 'paused' ELSE false END,
		coalesce(pg_last_wal_replay_lsn(), '0/0')::text,
		coalesce(extract(epoch FROM pg_last_xact_replay_timestamp())::numeric(20, 6)::text, ''),
		CASE WHEN pg_is_in_recovery() THEN '' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END`
	results, err := conn.Exec(ctx, question).ReadAll()
	if err != nil {
		return nil, err
	}
	row := results[0].Rows[0]
	r := &Recovered{Paused: string(row[1]) == "t"}
	if string(row[0]) == "t" && !r.Paused {
		return nil, nil //nolint:nilnil // documented above
	}
	if r.LSN, err = ParseLSN(string(row[2])); err != nil {
		return nil, err
	}
	if epoch, err := strconv.ParseFloat(string(row[3]), 64); err == nil {
		r.LastCommit = time.UnixMicro(int64(epoch * 1e6))
	}
	if timeline, err := strconv.ParseUint(string(row[4]), 16, 32); err == nil {
		r.Timeline = uint32(timeline)
	}
	return r, nil
}

// run runs one of the server's programs as the owner of the data directory.
func (s *Server) run(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.Bin, program), args...)
	cmd.Dir = s.Data
	cmd.Env = append(os.Environ(), append([]string{"LC_ALL=C"}, s.Env...)...)
	if err := runAsOwner(cmd, s.Data); err != nil {
		return nil, err
	}
	if s.Apart {
		keepApart(cmd)
	}
	// A file, not a pipe: the server inherits it, and would keep a pipe open.
	out, left, err := tempfile.Create("holdfast-postgres-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(left) //nolint:errcheck // mostly it has no name
	defer out.Close()     //nolint:errcheck // it was only read
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	content, rerr := io.ReadAll(io.NewSectionReader(out, 0, math.MaxInt64))
	return content, errors.Join(err, rerr)
}

// Run runs a client program beside the server as the owner of the data
// directory, and returns what it printed.
func (s *Server) Run(ctx context.Context, program string, args ...string) ([]byte, error) {
	return s.run(ctx, program, args...)
}

// tail returns the end of the server's log.
func (s *Server) tail() string {
	content, err := os.ReadFile(s.Log)
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(content[max(0, len(content)-maxLogTail):]))
}
