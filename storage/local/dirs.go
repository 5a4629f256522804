package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// durableDirs remembers the folders whose own entry in their parent is known
// to be on disk. A file is only safe in a folder that is safe itself, and
// somebody else may have made the folder a moment ago without a flush.
//
// The folders are few (data/00 to data/ff and a handful of others), so the
// set stays small.
type durableDirs struct {
	mu    sync.Mutex
	known map[string]bool
}

// ensureDir makes dir, a folder below the root, and its parents durable.
func (s *Store) ensureDir(dir string) error {
	s.dirs.mu.Lock()
	defer s.dirs.mu.Unlock()
	if s.dirs.known == nil {
		s.dirs.known = map[string]bool{}
	}
	return s.ensureDirLocked(dir)
}

func (s *Store) ensureDirLocked(dir string) error {
	if dir == s.root || s.dirs.known[dir] {
		return nil
	}
	parent := filepath.Dir(dir)
	if err := s.ensureDirLocked(parent); err != nil {
		return err
	}
	// The root itself is never made here: when a disk was unmounted, its
	// backups must not go to the disk below the mount point.
	switch err := os.Mkdir(dir, s.dirMode); {
	case err == nil:
		s.owner.takeFolder(dir)
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	// One flush of the parent makes all folders in it durable, so the 256
	// folders of data/ cost one flush when they are there already.
	siblings, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	if err := syncDir(parent); err != nil {
		return err
	}
	for _, e := range siblings {
		if e.IsDir() {
			s.dirs.known[filepath.Join(parent, e.Name())] = true
		}
	}
	s.dirs.known[dir] = true
	return nil
}

// forgetDir is called when dir turned out to be gone.
func (s *Store) forgetDir(dir string) {
	s.dirs.mu.Lock()
	defer s.dirs.mu.Unlock()
	for ; len(dir) > len(s.root); dir = filepath.Dir(dir) {
		delete(s.dirs.known, dir)
	}
}

// inDir runs do, which makes a file in dir, with dir made durable before. It
// does so a second time when the folder was removed behind our back.
func (s *Store) inDir(dir string, do func() error) error {
	for attempt := 1; ; attempt++ {
		if err := s.ensureDir(dir); err != nil {
			return err
		}
		err := do()
		if err == nil || attempt == 2 || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		s.forgetDir(dir)
	}
}

// mkdirAllDurably makes dir and its missing parents and flushes each entry.
func mkdirAllDurably(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
	}
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := mkdirAllDurably(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}
