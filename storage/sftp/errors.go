package sftp

import (
	"errors"
	"fmt"
	"io/fs"

	"holdfast/storage"

	"github.com/pkg/sftp"
)

// readError adds ErrNotFound where err means it. When the whole folder is
// gone (unmounted, moved) that is said instead: objects then are not missing,
// nobody can tell.
func (s *Store) readError(c *conn, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if rerr := s.checkRoot(c); rerr != nil {
		// No sentinel: this must not be taken for the absence of one object.
		return fmt.Errorf("%v", rerr)
	}
	return fmt.Errorf("%w: %w", storage.ErrNotFound, err)
}

// roomBytes is less than any disk has free that is not full.
const roomBytes = 1 << 20

// statvfsReadOnly is the flag of a file system mounted read-only.
const statvfsReadOnly = 1

// writeError adds the sentinel of package storage that says what an error of
// a change means. The protocol knows only "failure" for many of them, so the
// state of the disk is asked for. needBytes is what was to be written.
func (s *Store) writeError(c *conn, err error, needBytes int64) error {
	if errors.Is(err, storage.ErrFull) || errors.Is(err, storage.ErrReadOnly) { // found out already
		return err
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: %w", storage.ErrReadOnly, err)
	}
	var status *sftp.StatusError
	if !errors.As(err, &status) || status.FxCode() != sftp.ErrSSHFxFailure {
		return err
	}
	disk, derr := c.sftp.StatVFS(s.root)
	switch {
	case derr != nil: // the server cannot tell
		return err
	case disk.Flag&statvfsReadOnly != 0:
		return fmt.Errorf("%w: %w", storage.ErrReadOnly, err)
	case disk.Bavail*disk.Frsize < uint64(needBytes)+roomBytes, disk.Files > 0 && disk.Favail == 0:
		return fmt.Errorf("%w (%d bytes free on the server): %w", storage.ErrFull, disk.Bavail*disk.Frsize, err)
	}
	return err
}
