package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// EnvStateDir names the environment variable that says where the state is.
const EnvStateDir = "HOLDFAST_STATE_DIR"

// systemStateDir is where the state of a whole machine is.
const systemStateDir = "/var/lib/holdfast"

// FindStateDir returns the folder of the state: flag when it is set, else
// $HOLDFAST_STATE_DIR, else what the configuration says, else
// /var/lib/holdfast for the superuser and $XDG_STATE_HOME/holdfast, with
// ~/.local/state for a variable that is not set, for all others.
func FindStateDir(flag, configured string, getenv func(string) string) (string, error) {
	for _, asked := range []string{flag, getenv(EnvStateDir), configured} {
		if asked != "" {
			return filepath.Abs(asked)
		}
	}
	base := getenv("XDG_STATE_HOME")
	if filepath.IsAbs(base) {
		return filepath.Join(base, "holdfast"), nil
	}
	if os.Geteuid() == 0 {
		return systemStateDir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the folder for the service's state: %w; name one with --state-dir", err)
	}
	return filepath.Join(home, ".local", "state", "holdfast"), nil
}

// Dir is the folder of the state.
type Dir string

func (d Dir) path(parts ...string) string {
	return filepath.Join(append([]string{string(d)}, parts...)...)
}

// LedgerDir, HistoryDir and LogsDir are where the parts of the state lie.
func (d Dir) LedgerDir() string { return d.path("ledger") }

// HistoryDir is where the runs that ended are.
func (d Dir) HistoryDir() string { return d.path("history") }

// LogsDir is where runs leave what they printed.
func (d Dir) LogsDir() string { return d.path("logs") }

func (d Dir) runsDir() string { return d.path("runs") }

// Socket is where a running service listens for commands.
func (d Dir) Socket() string { return d.path("control") }

// make makes the folder and those in it that this package writes to.
func (d Dir) make() error {
	for _, dir := range []string{string(d), d.LogsDir(), d.runsDir(), d.path("locks")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the folder for the service's state: %w; name another with --state-dir", err)
		}
	}
	return nil
}

// exists tells whether a path is there.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
