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
//
// Folders are made side by side: a first backup makes 256, each of which
// takes some round trips.
type durableDirs struct {
	mu    sync.Mutex
	known map[string]*durableDir
}

// durableDir is a folder that is known to be safe once done is closed, unless
// err says why it is not.
type durableDir struct {
	done chan struct{}
	err  error
}

// ensureDir makes dir, a folder below the root, and its parents durable.
func (s *Store) ensureDir(c *conn, dir string) error {
	if dir == s.root {
		return nil
	}
	d, first := s.dirs.get(dir)
	if !first {
		<-d.done
		return d.err
	}
	d.err = s.makeDurable(c, dir)
	if d.err != nil {
		s.dirs.forget(dir)
	}
	close(d.done)
	return d.err
}

// get returns what is known of dir, and whether the caller is the one to make
// it durable.
func (d *durableDirs) get(dir string) (_ *durableDir, first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.known[dir]; known != nil {
		return known, false
	}
	if d.known == nil {
		d.known = map[string]*durableDir{}
	}
	d.known[dir] = &durableDir{done: make(chan struct{})}
	return d.known[dir], true
}

// isKnown tells whether dir is known to be durable, or failed to be.
func (d *durableDirs) isKnown(dir string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.known[dir]
	if known == nil {
		return false
	}
	select {
	case <-known.done:
		return true
	default:
		return false
	}
}

// add makes dir known as durable.
func (d *durableDirs) add(dir string) {
	if entry, first := d.get(dir); first {
		close(entry.done)
	}
}

func (d *durableDirs) forget(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.known, dir)
}

// makeDurable makes dir, whose parent may be missing too, and flushes its
// entry.
func (s *Store) makeDurable(c *conn, dir string) error {
	parent := path.Dir(dir)
	if err := s.ensureDir(c, parent); err != nil {
		return err
	}
	var folder *sftp.File
	var made bool
	var err error
	atOnce(
		// The root itself is never made here: when a disk was unmounted, its
		// backups must not go to the disk below the mount point.
		func() { made, err = s.mkdir(c, dir) },
		func() { folder = c.openDir(parent) },
	)
	defer c.closeLater(folder)
	if err != nil {
		return err
	}
	if made {
		atOnce(
			func() { err = c.sync(folder) },
			func() { c.sftp.Chmod(dir, s.dirMode) }, //nolint:errcheck // some servers know no modes
		)
		return err
	}
	// It was there, and so are its siblings, most likely: one flush for all. In
	// the root there are too few to be worth the round trips of a look.
	var siblings []fs.FileInfo
	if parent != s.root {
		if siblings, err = c.sftp.ReadDir(parent); err != nil {
			return err
		}
	}
	if err := c.sync(folder); err != nil {
		return err
	}
	for _, e := range siblings {
		if e.IsDir() {
			s.dirs.add(path.Join(parent, e.Name()))
		}
	}
	return nil
}

// mkdir makes one folder, unless it is there.
func (s *Store) mkdir(c *conn, dir string) (made bool, err error) {
	err = c.sftp.Mkdir(dir)
	if err == nil {
		return true, nil
	}
	info, serr := c.sftp.Stat(dir)
	switch {
	case serr != nil: // that it is not there is no news
		return false, fmt.Errorf("make folder %s: %w", dir, err)
	case !info.IsDir():
		return false, fmt.Errorf("make folder %s: a file is where a folder should be", dir)
	}
	return false, nil
}

// forgetDir is called when dir turned out to be gone.
func (s *Store) forgetDir(dir string) {
	for ; dir != s.root && dir != "." && dir != "/"; dir = path.Dir(dir) {
		s.dirs.forget(dir)
	}
}

// inDir runs do, which makes a file in dir, and makes dir durable meanwhile: a
// folder takes more round trips than a file, and is there already, most often.
// What do makes may be seen only once safe has returned without an error. do
// runs again when the folder was not there yet, or was removed behind our back.
func (s *Store) inDir(c *conn, dir string, do func(safe func() error) error) error {
	for attempt := 1; ; attempt++ {
		known := s.dirs.isKnown(dir) || dir == s.root
		ensured := make(chan struct{})
		var failed error
		go func() {
			failed = s.ensureDir(c, dir)
			close(ensured)
		}()
		safe := func() error {
			<-ensured
			return failed
		}
		err := do(safe)
		if err := safe(); err != nil {
			return err
		}
		if err == nil || attempt == 3 || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if known {
			s.forgetDir(dir)
		}
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
	if _, err := s.mkdir(c, dir); err != nil {
		return err
	}
	c.sftp.Chmod(dir, s.dirMode) //nolint:errcheck // some servers know no modes
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
