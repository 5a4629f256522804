package restoretest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The names of scratch folders begin so: those of tests, and those of restores
// that take a server of their own.
const (
	prefix        = "holdfast-verify-"
	restorePrefix = "holdfast-restore-"
)

// lockFile is held as long as a folder is used, and tells it from folders that
// people have named alike. It is removed last: a removal that is killed is gone on
// with.
const lockFile = ".holdfast-scratch-lock"

// unlockedAge is how old an empty folder without a lock must be to be taken for
// left behind: one that is being made gets it at once.
const unlockedAge = time.Hour

// Scratch is the folder of one test, for its owner alone.
type Scratch struct {
	path string
	lock *os.File
}

// NewScratch makes a folder in base, "" being the one for temporary files, and
// removes those of tests that were killed.
func NewScratch(base string) (*Scratch, error) { return newScratchFor(base, prefix) }

// NewRestoreScratch is NewScratch for a restore.
func NewRestoreScratch() (*Scratch, error) { return newScratchFor("", restorePrefix) }

func newScratchFor(base, prefix string) (*Scratch, error) {
	if base == "" {
		base = os.TempDir()
	}
	base, err := filepath.Abs(base)
	if err == nil {
		err = os.MkdirAll(base, 0o711) //nolint:gosec // the user of a private server has to get through; what is in it is closed
	}
	if err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	removeLeftovers(base)
	path, err := os.MkdirTemp(base, prefix)
	if err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = tryLock(lock)
	}
	if err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", errors.Join(err, os.RemoveAll(path)))
	}
	return &Scratch{path, lock}, nil
}

// Path is where the folder is.
func (s *Scratch) Path() string { return s.path }

// Remove removes the folder with all that is in it, whatever permissions came
// back with it.
func (s *Scratch) Remove() error {
	err := removeFolder(s.path)
	return errors.Join(err, s.lock.Close())
}

// removeLeftovers removes the folders of processes that do not run any more: their
// locks are free. What cannot be removed stays, and is no reason not to test. A
// private server that runs there still ends by itself, within a minute after its
// postmaster.pid is gone.
func removeLeftovers(base string) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) && !strings.HasPrefix(e.Name(), restorePrefix) {
			continue
		}
		path := filepath.Join(base, e.Name())
		lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR, 0)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > unlockedAge {
				os.Remove(path) //nolint:errcheck // what is in it would be somebody's
			}
			continue
		case err != nil: // somebody else's
			continue
		}
		if tryLock(lock) == nil {
			removeFolder(path) //nolint:errcheck // see above
		}
		lock.Close() //nolint:errcheck // nothing was written
	}
}

// removeFolder removes a folder, and its lock only when nothing else is left.
func removeFolder(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("remove scratch folder: %w", err)
	}
	for _, e := range entries {
		if e.Name() != lockFile {
			err = errors.Join(err, removeAll(filepath.Join(path, e.Name())))
		}
	}
	if err != nil {
		return err
	}
	return removeAll(path)
}

func removeAll(path string) error {
	if os.RemoveAll(path) == nil {
		return nil
	}
	// Folders may have come back closed to their owner.
	filepath.WalkDir(path, func(at string, e fs.DirEntry, _ error) error { //nolint:errcheck // the removal tells what is left
		if e != nil && e.IsDir() {
			os.Chmod(at, 0o700) //nolint:errcheck,gosec // as above; a folder, for its owner alone
		}
		return nil
	})
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("remove scratch folder: %w", err)
	}
	return nil
}
