package sftp

import (
	"context"
	"fmt"
	"io/fs"
	"path"

	"holdfast/storage"

	"github.com/pkg/sftp"
)

// Delete removes the object and flushes the folder. Without the flush a power
// cut could bring back an object deleted early (an index) and not one deleted
// later (a pack it names), which would look like damage.
func (s *Store) Delete(ctx context.Context, key string) error {
	p, err := s.path(key)
	if err != nil {
		return err
	}
	return s.do(ctx, func(c *conn) error {
		if err := s.remove(c, p); err != nil {
			return fmt.Errorf("delete %s: %w", key, err)
		}
		return nil
	})
}

func (s *Store) remove(c *conn, p string) error {
	var info fs.FileInfo
	var err error
	var folder *sftp.File
	atOnce(
		func() { info, err = c.sftp.Lstat(p) },
		func() { folder = c.openDir(path.Dir(p)) },
	)
	defer c.closeLater(folder)
	if err == nil && info.IsDir() { // Remove would take an empty one
		err = storage.ErrNotFound
	}
	if err == nil {
		err = c.sftp.Remove(p)
	}
	if err == nil {
		err = c.sync(folder)
	}
	return s.writeError(c, s.readError(c, err), 0)
}
