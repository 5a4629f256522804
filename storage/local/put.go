package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"holdfast/storage"
	"holdfast/storage/internal/temporary"
)

// Put stores body under key. A spool made by this store is moved into place;
// any other body is copied to a temporary file beside its destination first.
func (s *Store) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	dst, err := s.path(key)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !o.Retention.IsZero() {
		return fmt.Errorf("put %s: retention: %w", key, storage.ErrUnsupported)
	}
	if err := s.put(ctx, dst, body); err != nil {
		return fmt.Errorf("put %s: %w", key, writeError(err))
	}
	return nil
}

func (s *Store) put(ctx context.Context, dst string, body storage.Body) error {
	// Spares the work for an object that is there; place decides for good.
	if _, err := os.Lstat(dst); err == nil {
		return storage.ErrExists
	}
	if sp, ok := body.(*spool); ok && sp.store == s && movesOpenFiles {
		err := sp.moveTo(ctx, dst)
		if !errors.Is(err, errMustCopy) {
			return err
		}
	}
	return s.inDir(filepath.Dir(dst), func() error { return s.putCopy(ctx, dst, body) })
}

// errMustCopy says that a spool cannot become the object by being moved.
var errMustCopy = errors.New("spool has to be copied")

// putCopy stores a copy of body by way of a temporary file beside dst, which
// is sure to be on the same device.
func (s *Store) putCopy(ctx context.Context, dst string, body storage.Body) (err error) {
	f, err := s.newTemporary(filepath.Dir(dst))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()           // closed already in most cases
			os.Remove(f.Name()) // gone already when placing it went wrong late
		}
	}()

	src := &contextReader{ctx: ctx, r: io.NewSectionReader(body, 0, body.Size())}
	n, err := io.Copy(f, src)
	if err != nil {
		return err
	}
	if n != body.Size() {
		return fmt.Errorf("body ends after %d of %d bytes: %w", n, body.Size(), io.ErrUnexpectedEOF)
	}
	if err := syncFile(f); err != nil {
		return err
	}
	// Windows moves closed files only.
	if err := f.Close(); err != nil {
		return err
	}
	if err := s.place(f.Name(), dst); err != nil {
		return err
	}
	return s.confirm(dst)
}

// newTemporary makes an empty file in dir under a name that is no key.
func (s *Store) newTemporary(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, temporary.Prefix+"*")
	if err != nil {
		return nil, err
	}
	s.owner.takeFile(f)
	if s.fileMode == 0o600 { // what CreateTemp gives
		return f, nil
	}
	if err := f.Chmod(s.fileMode); err != nil {
		f.Close()
		os.Remove(f.Name())
		return nil, err
	}
	return f, nil
}

// confirm flushes the folder of an object that was just placed. When that
// fails the object is withdrawn: nobody can tell whether it would outlive a
// power cut.
func (s *Store) confirm(dst string) error {
	if err := syncDir(filepath.Dir(dst)); err != nil {
		os.Remove(dst)
		return err
	}
	return nil
}

// place moves temp to dst, or returns ErrExists when dst is there. It takes
// the first of three ways that the file system supports.
func (s *Store) place(temp, dst string) error {
	err := renameNew(temp, dst)
	if errors.Is(err, errors.ErrUnsupported) {
		err = linkNew(temp, dst)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		err = s.lookAndRename(temp, dst)
	}
	if errors.Is(err, fs.ErrExist) {
		return storage.ErrExists
	}
	return err
}

// linkNew gives temp a second name, which fails when that is taken, and then
// takes away the first. A kill in between leaves a temporary file too many.
func linkNew(temp, dst string) error {
	err := os.Link(temp, dst)
	switch {
	case err == nil:
		os.Remove(temp)
		return nil
	case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist), isCrossDevice(err):
		return err
	default:
		// Systems without hard links say so in many ways (EPERM on FAT). If
		// it was something else, the rename that follows meets it again.
		return errors.ErrUnsupported
	}
}

// lookAndRename is for file systems with neither of the two. Another process
// may put the same key between the look and the rename, and is then replaced:
// a whole object either way, and equal where keys are hashes of the content.
func (s *Store) lookAndRename(temp, dst string) error {
	s.renames.Lock()
	defer s.renames.Unlock()
	if _, err := os.Lstat(dst); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = storage.ErrExists
		}
		return err
	}
	return os.Rename(temp, dst)
}

// contextReader stops reading when the context of its call ends.
type contextReader struct {
	ctx context.Context // of the one Put this reader serves
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
