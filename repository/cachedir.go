package repository

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// CacheDir returns the folder for this repository in the cache, made on
// first use, or "" when there is no cache, or none that can be used: work goes
// on without, and Options.Warn is told why.
func (r *Repository) CacheDir() (string, error) { return r.cache(), nil }

// openCache makes the cache folder of the repository, or returns "".
func (r *Repository) openCache() string {
	if r.options.CacheDir == "" {
		return ""
	}
	dir := filepath.Join(r.options.CacheDir, r.config.ID)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = tagCache(r.options.CacheDir)
	}
	if err == nil {
		err = tryCache(dir)
	}
	if err != nil {
		r.warn(fmt.Errorf("use cache: %w; going on without it", err))
		return ""
	}
	return dir
}

// cacheTag tells programs that make backups to leave the folder out
// (https://bford.info/cachedir/).
const cacheTag = "Signature: 8a477f597d28d172789f06886806bc55\n" +
	"# This file marks the cache of holdfast. It may be deleted at any time.\n"

func tagCache(root string) error {
	path := filepath.Join(root, "CACHEDIR.TAG")
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	return os.WriteFile(path, []byte(cacheTag), 0o600)
}

// tryCache proves that the folder can be written, and marks it as used.
func tryCache(dir string) error {
	f, err := os.CreateTemp(dir, "tmp-")
	if err != nil {
		return err
	}
	now := time.Now() // CleanCache goes by it
	return errors.Join(f.Close(), os.Remove(f.Name()), os.Chtimes(dir, now, now))
}

// warn tells Options.Warn of an error, if there are both.
func (r *Repository) warn(err error) {
	if err != nil && r.options.Warn != nil {
		r.options.Warn(err)
	}
}
