package repository

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// OpenWorkFile opens, or makes, a file in the cache folder of the repository
// that only one process uses at a time: the lock on it ends with the process.
// It returns nil without an error when there is no cache or when another
// process has the file: work files only save work.
func (r *Repository) OpenWorkFile(name string) (*os.File, error) {
	dir, err := r.CacheDir()
	if err != nil || dir == "" {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open work file: %w", err)
	}
	if !tryLockFile(f) {
		return nil, f.Close()
	}
	// Its last owner may have removed it between our open and our lock.
	mine, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open work file: %w", err), f.Close())
	}
	if there, err := os.Stat(f.Name()); err != nil || !os.SameFile(mine, there) {
		return nil, f.Close()
	}
	return f, nil
}
