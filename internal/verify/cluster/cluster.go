// Package cluster proves that a restored PostgreSQL cluster is good: it starts
// a private server on it, lets it recover, looks into every table and index,
// asks the user's questions, and stops it again.
//
// The server never touches production, whatever its configuration says: it
// archives nothing, follows nobody, listens on no address, and runs neither
// logical replication workers nor libraries that do things by themselves.
package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/expect"
	"holdfast/internal/postgres"
	"holdfast/internal/postgres/rowcount"
)

// Check is a question and what its answer must be.
type Check struct {
	// Name is what reports call it; SQL if empty.
	Name   string
	SQL    string
	Expect string
	// Database is where it is asked, that of Options if empty.
	Database string
	// Timeout bounds it; 0 does not.
	Timeout time.Duration
}

// Answer is what came of a check.
type Answer struct {
	Name, Expected, Actual string
	Good                   bool
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
	// Now is what the ages of instants are counted from that Checks expect.
	Now time.Time
	// Counts, if set, are the rows that the cluster's tables had when it was
	// backed up. FromDumps tells that it was made from dumps, of that moment.
	Counts    *rowcount.Counts
	FromDumps bool
	// Apart gives the server a network of its own, which leads nowhere, where
	// the system permits it.
	Apart bool
	// Look, if set, looks into the cluster by other means while its server
	// runs; dsn is how it is reached.
	Look func(ctx context.Context, dsn string) error
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
	// Rows is how the rows compare with Counts, if there are any.
	Rows *rowcount.Comparison
	// Answers are those to Checks, amcheck's and that of the checksums among
	// them.
	Answers []Answer
	// Version is that of the server.
	Version string
}

// Run proves the cluster. An error means that it could not be judged.
func Run(ctx context.Context, o Options) (r *Result, err error) {
	r = &Result{}
	if err := prepare(o.Data, o.Scratch); err != nil {
		return nil, err
	}
	server := &postgres.Server{Bin: o.Bin, Data: o.Data, Log: filepath.Join(o.Scratch, "log"), Options: options(o), Apart: o.Apart}
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
	if o.Counts != nil {
		// First: what comes next makes transactions of its own.
		if err := phase("rows", func() error { return r.rows(ctx, server, o) }); err != nil {
			return r, err
		}
	}
	if err := phase("tables and indexes", func() error { return r.amcheck(ctx, server, o) }); err != nil {
		return r, err
	}
	if len(o.Checks) > 0 {
		if err := phase("checks", func() error { return r.ask(ctx, server, o) }); err != nil {
			return r, err
		}
	}
	if o.Look != nil {
		dsn := fmt.Sprintf("host='%s' port=5432 user='%s' dbname='%s'", o.Scratch, o.User, o.Database)
		if err := phase("commands", func() error { return o.Look(ctx, dsn) }); err != nil {
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
		// Code made while it runs is what the service's unit forbids.
		"jit": "off",
		// It would change what is looked into.
		"autovacuum": "off",
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

// rows compares the rows of all tables with what they had.
func (r *Result) rows(ctx context.Context, s *postgres.Server, o Options) (err error) {
	restored := rowcount.Restored{At: r.Recovered.LSN, Connect: func(ctx context.Context, database string) (*pgconn.PgConn, error) {
		return s.Connect(ctx, o.User, database)
	}}
	if o.FromDumps {
		restored.At = 0
	}
	if r.Rows, err = rowcount.Compare(ctx, restored, o.Counts); err == nil {
		r.Findings = append(r.Findings, r.Rows.Wrong...)
	}
	return err
}

// amcheck has every table and index of every database looked into.
func (r *Result) amcheck(ctx context.Context, s *postgres.Server, o Options) error {
	if out, err := s.Run(ctx, "postgres", "--version"); err == nil {
		r.Version = strings.TrimPrefix(strings.TrimSpace(string(out)), "postgres (PostgreSQL) ")
	}
	const want = "nothing wrong in any table or index"
	out, err := s.Run(ctx, "pg_amcheck", "--all", "--install-missing", "--no-strict-names", "--heapallindexed",
		"-h", o.Scratch, "-p", "5432", "-U", o.User)
	if err == nil {
		r.answer("pg_amcheck", want, want, true)
		return nil
	}
	if len(out) == 0 {
		return fmt.Errorf("run pg_amcheck: %w", err)
	}
	r.answer("pg_amcheck", want, strings.TrimSpace(string(out)), false)
	return nil
}

// ask asks the user's questions.
func (r *Result) ask(ctx context.Context, s *postgres.Server, o Options) error {
	for _, check := range o.Checks {
		expectation, err := expect.Parse(check.Expect)
		if err != nil {
			return err
		}
		answer, err := askOne(ctx, s, check, o)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		name := cmp.Or(check.Name, check.SQL)
		if err != nil {
			r.answer(name, expectation.String(), err.Error(), false)
			continue
		}
		holds, err := expectation.HoldsAt(answer, o.Now)
		if err != nil {
			answer = err.Error()
		}
		r.answer(name, expectation.String(), answer, holds && err == nil)
	}
	return nil
}

var errNoAnswer = errors.New("no answer")

// askOne asks one question and returns the first value of its last result.
func askOne(ctx context.Context, s *postgres.Server, check Check, o Options) (string, error) {
	if check.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, check.Timeout, fmt.Errorf("it took longer than %s", check.Timeout))
		defer cancel()
	}
	conn, err := s.Connect(ctx, o.User, cmp.Or(check.Database, o.Database))
	if err != nil {
		return "", fmt.Errorf("connect to database %s of the restored cluster: %w", cmp.Or(check.Database, o.Database), err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // all answers are in
	results, err := conn.Exec(ctx, check.SQL).ReadAll()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", err
	}
	if n := len(results); n > 0 && len(results[n-1].Rows) > 0 && len(results[n-1].Rows[0]) > 0 {
		return string(results[n-1].Rows[0][0]), nil
	}
	return "", errNoAnswer
}

// checksums checks every page of the stopped cluster, if it has checksums.
func (r *Result) checksums(ctx context.Context, s *postgres.Server) error {
	const want = "every page has the checksum it was written with"
	out, err := s.Run(ctx, "pg_checksums", "--check", "-D", s.Data)
	text := strings.TrimSpace(string(out))
	switch {
	case err == nil:
		r.Checksums = true
		r.answer("pg_checksums", want, want, true)
	case strings.Contains(text, "data checksums are not enabled"):
	case text == "":
		return fmt.Errorf("run pg_checksums: %w", err)
	default:
		r.Checksums = true
		r.answer("pg_checksums", want, text, false)
	}
	return nil
}

// answer keeps an answer; one that is not good is a finding.
func (r *Result) answer(name, expected, actual string, good bool) {
	r.Answers = append(r.Answers, Answer{name, expected, actual, good})
	if !good {
		r.Findings = append(r.Findings, fmt.Sprintf("%s: %s, want %s", name, actual, expected))
	}
}

// Isolation says, in words, what keeps the server from everything else.
func Isolation() []string {
	words := []string{"the server archives nothing, follows nobody, listens on no address, and runs no workers of others"}
	if postgres.CanBeApart() {
		words = append(words, "the server has a network of its own, which leads nowhere")
	}
	return words
}
