package tools

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"holdfast/test/tools/filelock"
)

// cacheDir returns where tools are kept between runs: outside the checkout, so
// that a clean checkout does not build them again.
func cacheDir() (string, error) {
	if dir := os.Getenv("HOLDFAST_TEST_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a cache folder (set HOLDFAST_TEST_CACHE): %w", err)
	}
	return filepath.Join(dir, "holdfast-test"), nil
}

// sharedDir returns where tools are kept that another user runs as well: root,
// unless a folder on the way to it is closed to others, as /root is.
func sharedDir(root string) (string, error) {
	for dir := root; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it will be made, and open
		case err != nil:
			return "", fmt.Errorf("finding a cache folder: %w", err)
		case info.Mode().Perm()&0o001 == 0:
			return fmt.Sprintf("/var/tmp/holdfast-test-%d", os.Getuid()), nil
		}
		if dir == filepath.Dir(dir) {
			return root, nil
		}
	}
}

// making is between the name of a folder and what tells its scratch folder
// from others.
const making = ".making-"

// finalFolder returns the name that a scratch folder will have when it is
// whole.
func finalFolder(scratch string) string {
	final, _, _ := strings.Cut(scratch, making)
	return final
}

// cached returns the folder root/key, filled by fill on first use. The folder
// appears by rename, so it is whole or absent, and a lock file beside it lets
// only one process work on it. A fill that fails leaves nothing behind.
func cached(ctx context.Context, root, key string, fill func(context.Context, string) error) (string, error) {
	dir := filepath.Join(root, key)
	if present(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", fmt.Errorf("making the cache folder: %w", err)
	}
	unlock, err := filelock.Lock(ctx, dir+".lock")
	if err != nil {
		return "", fmt.Errorf("waiting for another build: %w", err)
	}
	defer unlock()
	if present(dir) { // built by the process we waited for
		return dir, nil
	}
	scratch, err := os.MkdirTemp(root, key+making)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	if err := fill(ctx, scratch); err != nil {
		return "", err
	}
	if err := os.Chmod(scratch, 0o755); err != nil {
		return "", err
	}
	return dir, os.Rename(scratch, dir)
}

func present(dir string) bool {
	_, err := os.Stat(dir)
	return !errors.Is(err, fs.ErrNotExist)
}
