package service

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast/test/program"
)

// Patience bounds every wait for something that happens in seconds on a
// machine that has nothing else to do.
const Patience = 3 * time.Minute

// Host is a machine: a folder in which holdfast.yaml and the state are, and a
// holdfast that uses them.
type Host struct {
	T        testing.TB
	Dir      string
	Holdfast program.Program
}

// NewHost returns a machine on which the file password has one.
func NewHost(t testing.TB) *Host {
	t.Helper()
	h := &Host{T: t, Dir: t.TempDir()}
	h.Holdfast = program.Holdfast(t).With("HOLDFAST_CONFIG="+h.Path("holdfast.yaml"), "HOLDFAST_STATE_DIR="+h.Path("state"))
	h.Write("password", "secret")
	return h
}

// Path returns that of a file of the machine.
func (h *Host) Path(name string) string { return filepath.Join(h.Dir, name) }

// Write writes a file, and makes the folders above it.
func (h *Host) Write(name, content string) {
	h.T.Helper()
	if err := os.MkdirAll(filepath.Dir(h.Path(name)), 0o755); err != nil {
		h.T.Fatal(err)
	}
	if err := os.WriteFile(h.Path(name), []byte(content), 0o600); err != nil {
		h.T.Fatal(err)
	}
}

// poll is how often a condition is looked at.
const poll = 50 * time.Millisecond

// Until waits for a condition.
func (h *Host) Until(what string, holds func() bool) {
	h.T.Helper()
	for end := time.Now().Add(Patience); !holds(); time.Sleep(poll) {
		if time.Now().After(end) {
			h.T.Fatalf("it never came to it that %s", what)
		}
	}
}
