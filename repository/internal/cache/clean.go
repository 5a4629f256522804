package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"holdfast/repository/id"
)

// removedSuffix marks a folder that is being removed.
const removedSuffix = ".removed"

// KeyPrefix begins the names of files that say which key opened a repository.
const KeyPrefix = "key-"

// Clean deletes the folders of repositories, named by their IDs, in root that
// nobody has used for so long, and returns how many; and so it does with what
// is remembered of their keys. Other files stay.
func Clean(root string, unused time.Duration) (int, error) {
	files, err := os.ReadDir(root)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("clean cache: %w", err)
	}
	removed := 0
	var errs []error
	for _, f := range files {
		name, half := strings.CutSuffix(f.Name(), removedSuffix)
		info, err := f.Info()
		if err == nil && f.Type().IsRegular() && strings.HasPrefix(name, KeyPrefix) && time.Since(info.ModTime()) > unused {
			errs = append(errs, os.Remove(filepath.Join(root, name)))
			continue
		}
		if err != nil || !f.IsDir() || !id.Valid(name) || !half && time.Since(info.ModTime()) <= unused {
			continue
		}
		if err := remove(filepath.Join(root, name)); err != nil {
			errs = append(errs, fmt.Errorf("clean cache: %w", err))
			continue
		}
		removed++
	}
	return removed, errors.Join(errs...)
}

// remove takes the name away first, so that nobody finds half a folder.
func remove(dir string) error {
	err := os.Rename(dir, dir+removedSuffix)
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrExist) {
		return err
	}
	return os.RemoveAll(dir + removedSuffix)
}
