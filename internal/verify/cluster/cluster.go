// Package cluster proves that a restored PostgreSQL cluster is good: it starts
// a private server on it, lets it recover, looks into every table and index,
// asks the user's questions, and stops it again.
//
// The server never touches production, whatever its configuration says: it
// archives nothing, follows nobody, listens on no address, and runs neither
// logical replication workers nor libraries that do things by themselves.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"holdfast/internal/expect"
	"holdfast/internal/postgres"
)

// Check is a question and what its answer must be.
type Check struct {
	SQL    string
	Expect string
}

// Options tell what is proven.
type Options struct {
	// Bin is the folder of the server's programs, Data the restored data
	// directory.
	Bin, Data string
	// Scratch is a folder for the socket and the log, which the server's user
	// may write to.
	Scratch string
	// RestoreCommand is how the server gets its log; "" leaves it as it is.
	RestoreCommand string
	// Recover starts the server and waits until it is at its target.
	Recover func(ctx context.Context, s *postgres.Server) (*postgres.Recovered, error)
	// User is a superuser of the cluster, Database where Checks are asked.
	User, Database string
	Checks         []Check
	// OnPhase, if set, is told when a phase begins.
	OnPhase func(name string)
}

// Phase is a part of the proof and how long it took.
type Phase struct {
	Name     string
	Duration time.Duration
}

// Result is what came out.
type Result struct {
	Recovered *postgres.Recovered
	Phases    []Phase
	// Findings are what is wrong; none means that the cluster is good.
	Findings []string
	// Checksums tells that the cluster has page checksums, which were checked.
	Checksums bool
}

// Run proves the cluster. An error means that it could not be judged.
func Run(ctx context.Context, o Options) (r *Result, err error) {
	r = &Result{}
	if err := prepare(o.Data, o.Scratch); err != nil {
		return nil, err
	}
	server := &postgres.Server{Bin: o.Bin, Data: o.Data, Log: filepath.Join(o.Scratch, "log"), Options: options(o)}
	phase := func(name string, do func() error) error {
		if o.OnPhase != nil {
			o.OnPhase(name)
		}
		start := time.Now()
		err := do()
		r.Phases = append(r.Phases, Phase{name, time.Since(start)})
		return err
	}
	err = phase("recover", func() (err error) {
		r.Recovered, err = o.Recover(ctx, server)
		return err
	})
	defer func() {
		if server.Running(context.WithoutCancel(ctx)) {
			err = errors.Join(err, server.Stop(context.WithoutCancel(ctx)))
		}
	}()
	if err != nil {
		return r, err
	}
	if err := phase("tables and indexes", func() error { return r.amcheck(ctx, server, o) }); err != nil {
		return r, err
	}
	if len(o.Checks) > 0 {
		if err := phase("checks", func() error { return r.ask(ctx, server, o) }); err != nil {
			return r, err
		}
	}
	if err := server.Stop(ctx); err != nil {
		return r, err
	}
	return r, phase("page checksums", func() error { return r.checksums(ctx, server) })
}

// hba lets the one who proves in, and nobody else can reach the socket.
const hba = "local all all trust\n"

// prepare makes the data directory one that starts anywhere: configuration
// that lay outside of it, as on Debian, is not needed.
func prepare(data, scratch string) error {
	if err := os.WriteFile(filepath.Join(scratch, "hba.conf"), []byte(hba), 0o644); err != nil {
		return fmt.Errorf("prepare the server: %w", err)
	}
	if err := os.WriteFile(filepath.Join(scratch, "ident.conf"), nil, 0o644); err != nil {
		return fmt.Errorf("prepare the server: %w", err)
	}
	conf := filepath.Join(data, "postgresql.conf")
	if _, err := os.Stat(conf); err == nil {
		return nil
	}
	if err := os.WriteFile(conf, nil, 0o644); err != nil {
		return fmt.Errorf("prepare the server: %w", err)
	}
	return nil
}

// options keep the server to itself.
func options(o Options) map[string]string {
	m := map[string]string{
		"listen_addresses":                "",
		"unix_socket_directories":         o.Scratch,
		"unix_socket_permissions":         "0700",
		"port":                            "5432",
		"hba_file":                        filepath.Join(o.Scratch, "hba.conf"),
		"ident_file":                      filepath.Join(o.Scratch, "ident.conf"),
		"external_pid_file":               "",
		"ssl":                             "off",
		"logging_collector":               "off",
		"log_destination":                 "stderr",
		"archive_mode":                    "off",
		"archive_command":                 "",
		"archive_library":                 "",
		"archive_cleanup_command":         "",
		"recovery_end_command":            "",
		"primary_conninfo":                "",
		"primary_slot_name":               "",
		"synchronous_standby_names":       "",
		"max_logical_replication_workers": "0",
		"shared_preload_libraries":        "",
		"session_preload_libraries":       "",
		// It cannot refuse to recover because the original had more of these.
		"hot_standby": "off",
		// What it holds is thrown away.
		"fsync":            "off",
		"full_page_writes": "off",
	}
	if o.RestoreCommand != "" {
		m["restore_command"] = o.RestoreCommand
	}
	return m
}

// amcheck has every table and index of every database looked into.
func (r *Result) amcheck(ctx context.Context, s *postgres.Server, o Options) error {
	out, err := s.Run(ctx, "pg_amcheck", "--all", "--install-missing", "--no-strict-names", "--heapallindexed",
		"-h", o.Scratch, "-p", "5432", "-U", o.User)
	if err != nil {
		if len(out) == 0 {
			return fmt.Errorf("run pg_amcheck: %w", err)
		}
		r.find("pg_amcheck: %s", strings.TrimSpace(string(out)))
	}
	return nil
}

// ask asks the user's questions.
func (r *Result) ask(ctx context.Context, s *postgres.Server, o Options) error {
	conn, err := s.Connect(ctx, o.User, o.Database)
	if err != nil {
		return fmt.Errorf("connect to database %s of the restored cluster: %w", o.Database, err)
	}
	defer conn.Close(ctx) //nolint:errcheck // all answers are in
	for _, check := range o.Checks {
		expectation, err := expect.Parse(check.Expect)
		if err != nil {
			return err
		}
		results, err := conn.Exec(ctx, check.SQL).ReadAll()
		if err != nil {
			r.find("%s: %v", check.SQL, err)
			continue
		}
		answer, ok := "", false
		if n := len(results); n > 0 && len(results[n-1].Rows) > 0 && len(results[n-1].Rows[0]) > 0 {
			answer, ok = string(results[n-1].Rows[0][0]), true
		}
		if !ok {
			r.find("%s: no answer, want %s", check.SQL, expectation)
			continue
		}
		holds, err := expectation.Holds(answer)
		if err != nil {
			r.find("%s: %v", check.SQL, err)
		} else if !holds {
			r.find("%s: %s, want %s", check.SQL, answer, expectation)
		}
	}
	return nil
}

// checksums checks every page of the stopped cluster, if it has checksums.
func (r *Result) checksums(ctx context.Context, s *postgres.Server) error {
	out, err := s.Run(ctx, "pg_checksums", "--check", "-D", s.Data)
	text := strings.TrimSpace(string(out))
	switch {
	case err == nil:
		r.Checksums = true
	case strings.Contains(text, "data checksums are not enabled"):
	case text == "":
		return fmt.Errorf("run pg_checksums: %w", err)
	default:
		r.Checksums = true
		r.find("pg_checksums: %s", text)
	}
	return nil
}

func (r *Result) find(format string, args ...any) {
	r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
}
