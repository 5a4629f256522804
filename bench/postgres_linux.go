package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// postgresOptions is what the command lines of all measurements of PostgreSQL
// have in common.
type postgresOptions struct {
	root     string
	bin      string // PostgreSQL's programs
	holdfast string
	rounds   int
	only     string
	json     string
}

// register adds the flags of a command; its name is part of the folder's.
func (o *postgresOptions) register(f *flag.FlagSet, command string) {
	f.StringVar(&o.root, "dir", filepath.Join(os.TempDir(), "holdfast-bench-"+command), "`folder` to work in; it is made anew")
	f.StringVar(&o.bin, "pg", "/usr/lib/postgresql/15/bin", "`folder` of PostgreSQL's programs")
	f.StringVar(&o.holdfast, "holdfast", "", "`program` to measure instead of building this checkout")
	f.IntVar(&o.rounds, "rounds", 3, "measure each one so many times and show the median")
	f.StringVar(&o.only, "only", "", "measure only what has this `text` in its name")
	f.StringVar(&o.json, "json", "", "also write every measurement to this `file`")
}

// chosen tells whether something is to be measured.
func (o *postgresOptions) chosen(name string) bool { return strings.Contains(name, o.only) }

// workshop is a folder with a server, the program to measure, and what it and
// its peers read.
type workshop struct {
	o        postgresOptions
	postgres *postgresServer
	alive    *os.File // as long as it is open, the caretaker waits
}

// open makes the folder, the program and the server.
func (w *workshop) open(ctx context.Context) error {
	adoptOrphans()
	if err := os.RemoveAll(w.o.root); err != nil {
		return err
	}
	if err := os.MkdirAll(w.o.root, 0o755); err != nil {
		return err
	}
	if err := w.provideProgram(ctx); err != nil {
		return err
	}
	if err := w.leaveCaretaker(); err != nil {
		return err
	}
	useFreeMemory(math.MaxInt)
	var err error
	w.postgres, err = startPostgres(ctx, w.o.bin, w.path("pg"))
	return err
}

func (w *workshop) path(parts ...string) string {
	return filepath.Join(append([]string{w.o.root}, parts...)...)
}

func (w *workshop) provideProgram(ctx context.Context) error {
	program := w.path("holdfast")
	if w.o.holdfast != "" {
		content, err := os.ReadFile(w.o.holdfast)
		if err != nil {
			return err
		}
		return os.WriteFile(program, content, 0o755)
	}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "holdfast/cmd/holdfast").CombinedOutput(); err != nil {
		return fmt.Errorf("build holdfast: %w\n%s", err, out)
	}
	return nil
}

// program is how holdfast is called by a shell.
func (w *workshop) program() string {
	return fmt.Sprintf("HOLDFAST_STATE_DIR=%[1]s/state TMPDIR=%[1]s/tmp %[1]s/holdfast -q --config %[1]s/holdfast.yaml --cache-dir %[1]s/cache", w.o.root)
}

// makeState is the shell command that makes the folders of program.
func (w *workshop) makeState() string { return "mkdir -p " + w.path("state") + " " + w.path("tmp") }

// pgbackrest is how the peer is called by a shell, and makePgbackrest what has
// to be done before.
func (w *workshop) pgbackrest() string {
	return "pgbackrest --config=" + w.path("pgbackrest.conf") + " --stanza=shop "
}

func (w *workshop) makePgbackrest() string {
	spool, folders := w.path("spool"), []string{w.path("spool"), w.path("log"), w.path("lock"), w.path("pgbackrest")}
	return "rm -rf " + spool + " && mkdir -p " + strings.Join(folders, " ") + " && " + w.pgbackrest() + "stanza-create"
}

func havePgbackrest() bool {
	_, err := exec.LookPath("pgbackrest")
	return err == nil
}

// configure writes what the programs read: a holdfast.yaml, and what
// pgbackrest is told beside what all measurements tell it.
func (w *workshop) configure(holdfast, pgbackrest string) error {
	files := map[string]string{
		"password":      "secret\n",
		"holdfast.yaml": holdfast,
		"pgbackrest.conf": fmt.Sprintf(`[global]
repo1-path=%[1]s/pgbackrest
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass=benchmark-passphrase-of-some-length
compress-type=zst
process-max=2
%[3]slog-path=%[1]s/log
lock-path=%[1]s/lock
log-level-console=warn
log-level-file=off
[shop]
pg1-path=%[2]s/data
pg1-socket-path=%[2]s
`, w.o.root, w.postgres.dir, pgbackrest),
	}
	for name, content := range files {
		if err := os.WriteFile(w.path(name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// save writes all measurements, if that is wanted.
func (w *workshop) save(measurements any) error {
	if w.o.json == "" {
		return nil
	}
	content, err := json.MarshalIndent(measurements, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(w.o.json, append(content, '\n'), 0o644)
}

func (w *workshop) close() {
	if w.postgres != nil {
		w.postgres.stop()
	}
}

func folderBytes(dir string) (n int64) {
	filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error { //nolint:errcheck // what cannot be read counts nothing
		if err != nil || e.IsDir() {
			return nil //nolint:nilerr // as above
		}
		if info, err := e.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}
