package sftp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"holdfast/storage"
	"holdfast/storage/internal/temporary"

	"github.com/pkg/sftp"
)

// requestsPerFile is how many pieces of a file are under way at once: 64 of
// 32 KiB are 2 MiB, which is what OpenSSH lets be under way on a connection.
const requestsPerFile = 64

// Put stores body under key by way of a temporary file beside its place.
func (s *Store) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	dst, err := s.path(key)
	if err != nil {
		return err
	}
	if !o.Retention.IsZero() {
		return fmt.Errorf("put %s: retention: %w", key, storage.ErrUnsupported)
	}
	return s.do(ctx, func(c *conn) error {
		dir := path.Dir(dst)
		err := s.inDir(c, dir, func(safe func() error) error { return s.put(ctx, c, dir, dst, body, safe) })
		if err != nil {
			return fmt.Errorf("put %s: %w", key, s.writeError(c, err, body.Size()))
		}
		return nil
	})
}

// put stores the file. safe returns when its folder is known to outlive a power
// cut, which is found out meanwhile.
func (s *Store) put(ctx context.Context, c *conn, dir, dst string, body storage.Body, safe func() error) (err error) {
	temp := path.Join(dir, temporary.Prefix+rand.Text())
	var f, folder *sftp.File
	var exists error
	atOnce(
		func() { f, err = c.sftp.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL) },
		func() { folder = c.openDir(dir) },
		func() { _, exists = c.sftp.Lstat(dst) },
	)
	defer func() { c.closeLater(folder) }()
	if err != nil {
		return err
	}
	open := true
	defer func() {
		if err == nil {
			return
		}
		err = s.writeError(c, err, 0) // before there is room again
		if open {
			f.Close() //nolint:errcheck // it goes away
		}
		c.sftp.Remove(temp) //nolint:errcheck // gone already when placing it went wrong late
	}()
	if exists == nil { // spares the work; place decides for good
		return storage.ErrExists
	}
	if err := s.write(ctx, c, f, temp, body); err != nil {
		return err
	}
	open = false
	if err := c.closeWritten(f); err != nil {
		return err
	}
	if err := safe(); err != nil {
		return err
	}
	if folder == nil { // it was not there yet
		folder = c.openDir(dir)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.place(c, temp, dst); err != nil {
		return err
	}
	return c.confirm(folder, dst)
}

// write fills the file and has it flushed.
func (s *Store) write(ctx context.Context, c *conn, f *sftp.File, temp string, body storage.Body) error {
	src := &contextReader{ctx: ctx, r: io.NewSectionReader(body, 0, body.Size())}
	var n int64
	var err error
	atOnce(
		func() { n, err = f.ReadFromWithConcurrency(src, requestsPerFile) },
		// By its name: a file does one thing after the other.
		func() { c.sftp.Chmod(temp, s.fileMode) }, //nolint:errcheck // some servers know no modes
	)
	if src.err != nil { // the package may say something else about it
		return src.err
	}
	if err != nil {
		return err
	}
	if n != body.Size() {
		return fmt.Errorf("body ends after %d of %d bytes: %w", n, body.Size(), io.ErrUnexpectedEOF)
	}
	return c.sync(f)
}

// closeWritten closes a file that was flushed. Where an open one can be moved,
// nobody waits for the answer: it says nothing after a flush.
func (c *conn) closeWritten(f *sftp.File) error {
	if c.movesOpen && c.canSync() {
		c.closeLater(f)
		return nil
	}
	return f.Close()
}

// confirm flushes the folder of an object that was just placed. When that
// fails the object is withdrawn: nobody can tell whether it would outlive a
// power cut.
func (c *conn) confirm(folder *sftp.File, dst string) error {
	if err := c.sync(folder); err != nil {
		c.sftp.Remove(dst) //nolint:errcheck // see the error we return
		return fmt.Errorf("flush the folder: %w", err)
	}
	return nil
}

// place moves temp to dst, or returns ErrExists when dst is there.
func (s *Store) place(c *conn, temp, dst string) error {
	if c.openSSH {
		// Its plain rename is a link and an unlink in one request, and so
		// refuses to replace.
		return c.existsError(dst, c.sftp.Rename(temp, dst))
	}
	if _, ok := c.sftp.HasExtension("hardlink@openssh.com"); ok {
		err := c.existsError(dst, c.sftp.Link(temp, dst))
		switch {
		case err == nil:
			c.sftp.Remove(temp) //nolint:errcheck // a temporary file too many
			return nil
		case errors.Is(err, storage.ErrExists), errors.Is(err, fs.ErrNotExist):
			return err
		}
		// Disks without hard links say so in many ways. If it was something
		// else, the rename that follows meets it again.
	}
	return s.lookAndRename(c, temp, dst)
}

// existsError makes ErrExists of err if dst exists: the protocol has only
// "failure" for that.
func (c *conn) existsError(dst string, err error) error {
	var status *sftp.StatusError
	if !errors.As(err, &status) {
		return err
	}
	if _, lerr := c.sftp.Lstat(dst); lerr == nil {
		return storage.ErrExists
	}
	return err
}

// lookAndRename is for servers with neither of the two. Another process may
// put the same key between the look and the rename; version 3 of the protocol
// says that a rename then fails, but not every server does.
func (s *Store) lookAndRename(c *conn, temp, dst string) error {
	s.renames.Lock()
	defer s.renames.Unlock()
	if _, err := c.sftp.Lstat(dst); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = storage.ErrExists
		}
		return err
	}
	return c.existsError(dst, c.sftp.Rename(temp, dst))
}

// contextReader stops reading when the context of its call ends, and
// remembers why it stopped.
type contextReader struct {
	ctx context.Context // of the one Put this reader serves
	r   io.Reader
	err error
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		c.err = err
		return 0, err
	}
	n, err := c.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}
