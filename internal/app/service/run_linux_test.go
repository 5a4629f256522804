package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/config"
	"holdfast/internal/history"
)

func TestACrashSaysOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"one\ntwo\n\n": "two",
		"noise\npanic: out of range [recovered]\n\ngoroutine 1\n\t/a.go:1\n": "panic: out of range [recovered]",
		"fatal error: out of memory\nrax 0x0\n":                              "fatal error: out of memory",
		"":                                                                   "",
	} {
		s := &said{}
		for _, part := range strings.SplitAfter(text, "e") {
			s.Write([]byte(part)) //nolint:errcheck // never fails
		}
		if s.String() != want {
			t.Errorf("%q says %q, want %q", text, s, want)
		}
	}
}

// The beginning and the end of a long log are kept.
func TestALongLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := openRunLog(path)
	if err != nil {
		t.Fatal(err)
	}
	for k := range 100_000 {
		fmt.Fprintf(l, "this is line %d of a long log\n", k) //nolint:errcheck // Close tells
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > maxLogHead+maxLogTail+100 {
		t.Errorf("it takes %d bytes", len(text))
	}
	for _, want := range []string{"this is line 0 of", "this is line 99999 of", "bytes are left out"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("it lacks %q", want)
		}
	}
}

func TestMemoryIsWatched(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	watchMemory(ctx, os.Getpid(), 1, stop)
	if over := new(memoryError); !errors.As(context.Cause(ctx), &over) || over.used < 1<<20 {
		t.Errorf("ended with %v", context.Cause(ctx))
	}
}

// What a plan says becomes jobs and command lines.
func TestJobsOfAPlan(t *testing.T) {
	path := filepath.Join(t.TempDir(), "holdfast.yaml")
	cfg, err := config.Parse(path, []byte(`
repositories:
  local: { url: /srv/local, password: { env: X } }
  nas: { url: /srv/nas, password: { env: X } }
sources:
  www: { files: { paths: [/www] } }
plans:
  site:
    sources: [www]
    repository: local
    copies: [nas]
    schedule: { full: "0 2 * * SUN", incremental: "0 2 * * *" }
    keep: { last: 3 }
    restore_test: { schedule: "0 5 * * SAT" }
    archives: { to: /srv/archives, recipients: [age1], keep: 1y, schedule: "0 6 1 * *" }
    limits: { upload: 5M, timeout: 2h }
`))
	if err != nil {
		t.Fatal(err)
	}
	jobs, _, err := Jobs(cfg)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for _, j := range jobs {
		lines[j.ID] = strings.Join(j.Work.(Work).Args, " ") //nolint:errcheck // every job has it
		if j.Kind == history.Backup && (j.Timeout != 2*time.Hour || len(j.Variants) != 2 || j.Variants[0].Name != "full") {
			t.Errorf("backup: %+v", j)
		}
	}
	for id, want := range map[string]string{
		"plans/site/backup":          "plan run site --type {variant} --no-copy --retry-lock 15m0s --limit-upload 5120",
		"plans/site/copy/nas":        "copy --plan site --to nas --retry-lock 15m0s --limit-upload 5120",
		"plans/site/restore-test":    "verify --plan site --retry-lock 15m0s",
		"plans/site/archive":         "archive export --plan site --restart --retry-lock 15m0s --limit-upload 5120",
		"plans/site/retention/local": "forget --repo local --plan site --retry-lock 15m0s",
		"plans/site/retention/nas":   "forget --repo nas --plan site --retry-lock 15m0s",
		"repositories/local/prune":   "prune --repo local --max-repack-size {budget} --max-time 5m0s --retry-lock 2m0s",
		"repositories/nas/check":     "check --repo nas --read-data-subset {round} --retry-lock 15m0s",
	} {
		if lines[id] != want {
			t.Errorf("%s runs %q, want %q", id, lines[id], want)
		}
	}
}
