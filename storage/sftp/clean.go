package sftp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"

	"holdfast/storage/internal/temporary"
)

// leftoverAge is how long a temporary file must have been untouched before it
// counts as left behind: a Put that runs writes to it all the time.
const leftoverAge = 24 * time.Hour

// Clean removes the temporary files of processes that were killed and of
// connections that broke, restic's included; see storage.Cleaner.
func (s *Store) Clean(ctx context.Context) error {
	var old []string
	w := walk{
		store:  s,
		object: func(string, fs.FileInfo) error { return nil },
		temporary: func(key string, info fs.FileInfo) error {
			if info.Mode().IsRegular() {
				old = append(old, key)
			}
			return nil
		},
	}
	if err := w.run(ctx, ""); err != nil {
		return fmt.Errorf("clean: %w", err)
	}
	if len(old) == 0 {
		return nil
	}
	return s.do(ctx, func(c *conn) error {
		now, err := s.clock(c)
		if err != nil {
			return fmt.Errorf("clean: ask for the server's time: %w", s.writeError(c, err, 0))
		}
		for _, key := range old {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := removeUntouched(c, path.Join(s.root, key), now.Add(-leftoverAge)); err != nil {
				return fmt.Errorf("clean: %w", s.writeError(c, err, 0))
			}
		}
		return nil
	})
}

// clock returns the server's time, by which it dates files. Ours may be off
// by days, and files of running backups would look old.
func (s *Store) clock(c *conn) (time.Time, error) {
	name := path.Join(s.root, temporary.Prefix+rand.Text())
	f, err := c.sftp.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return time.Time{}, err
	}
	info, err := f.Stat()
	f.Close() //nolint:errcheck // holds nothing
	rerr := c.sftp.Remove(name)
	if err = errors.Join(err, rerr); err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// removeUntouched looks again before it removes.
func removeUntouched(c *conn, name string, since time.Time) error {
	info, err := c.sftp.Lstat(name)
	if err == nil && info.Mode().IsRegular() && info.ModTime().Before(since) {
		err = c.sftp.Remove(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
