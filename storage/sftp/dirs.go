package sftp

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"

	"github.com/pkg/sftp"
)

// durableDirs remembers the folders whose own entry in their parent is known
// to be on disk. A file is only safe in a folder that is safe itself, and
// somebody else may have made the folder a moment ago without a flush.
type durableDirs struct {
	mu    sync.Mutex
	known map[string]bool
}

// ensureDir makes dir, a folder below the root, and its parents durable.
func (s *Store) ensureDir(c *conn, dir string) error {
	s.dirs.mu.Lock()
	defer s.dirs.mu.Unlock()
	if s.dirs.known == nil {
		s.dirs.known = map[string]bool{}
	}
	return s.ensureDirLocked(c, dir)
}

func (s *Store) ensureDirLocked(c *conn, dir string) error {
	if dir == s.root || s.dirs.known[dir] {
		return nil
	}
	parent := path.Dir(dir)
	if err := s.ensureDirLocked(c, parent); err != nil {
		return err
	}
	// The root itself is never made here: when a disk was unmounted, its
	// backups must not go to the disk below the mount point.
	if err := s.mkdir(c, dir); err != nil {
		return err
	}
	// One flush of the parent makes all folders in it durable, so the 256
	// folders of data/ cost one flush when they are there already.
	siblings, err := c.sftp.ReadDir(parent)
	if err != nil {
		return err
	}
	if err := c.syncDir(parent); err != nil {
		return err
	}
	for _, e := range siblings {
		if e.IsDir() {
			s.dirs.known[path.Join(parent, e.Name())] = true
		}
	}
	s.dirs.known[dir] = true
	return nil
}

// mkdir makes one folder, unless it is there.
func (s *Store) mkdir(c *conn, dir string) error {
	err := c.sftp.Mkdir(dir)
	if err == nil {
		c.sftp.Chmod(dir, s.dirMode) //nolint:errcheck // some servers know no modes
		return nil
	}
	info, serr := c.sftp.Stat(dir)
	switch {
	case serr != nil: // that it is not there is no news
		return fmt.Errorf("make folder %s: %w", dir, err)
	case !info.IsDir():
		return fmt.Errorf("make folder %s: a file is where a folder should be", dir)
	}
	return nil
}

// forgetDir is called when dir turned out to be gone.
func (s *Store) forgetDir(dir string) {
	s.dirs.mu.Lock()
	defer s.dirs.mu.Unlock()
	for ; dir != s.root && dir != "." && dir != "/"; dir = path.Dir(dir) {
		delete(s.dirs.known, dir)
	}
}

// inDir runs do, which makes a file in dir, with dir made durable before. It
// does so a second time when the folder was removed behind our back.
func (s *Store) inDir(c *conn, dir string, do func() error) error {
	for attempt := 1; ; attempt++ {
		if err := s.ensureDir(c, dir); err != nil {
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
func (s *Store) mkdirAllDurably(c *conn, dir string) error {
	info, err := c.sftp.Stat(dir)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("make folder %s: a file is in the way; move it or choose another folder", dir)
	}
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := path.Dir(dir)
	if err := s.mkdirAllDurably(c, parent); err != nil {
		return err
	}
	if err := s.mkdir(c, dir); err != nil {
		return err
	}
	return c.syncDir(parent)
}

// openDir opens a folder for flushing it, or returns nil where the server
// cannot do that: not all systems let folders be opened as files.
func (c *conn) openDir(dir string) *sftp.File {
	if !c.canSync() {
		return nil
	}
	f, err := c.sftp.Open(dir)
	if err != nil {
		return nil
	}
	return f
}

// canSync tells whether the server flushes on demand.
func (c *conn) canSync() bool {
	_, ok := c.sftp.HasExtension("fsync@openssh.com")
	return ok
}

// syncDir flushes the entries of a folder.
func (c *conn) syncDir(dir string) error {
	f := c.openDir(dir)
	defer c.closeLater(f)
	return c.sync(f)
}

// sync flushes a file or a folder; nil is one that cannot be.
func (c *conn) sync(f *sftp.File) error {
	if f == nil || !c.canSync() {
		return nil
	}
	err := f.Sync()
	if isUnsupported(err) { // the file system behind the server knows no flush
		return nil
	}
	return err
}

// closeLater closes f without waiting for the answer, which says nothing of
// use about what was only read or has been flushed.
func (c *conn) closeLater(f *sftp.File) {
	if f != nil {
		go f.Close()
	}
}

func isUnsupported(err error) bool {
	var status *sftp.StatusError
	return errors.As(err, &status) && status.FxCode() == sftp.ErrSSHFxOpUnsupported
}
