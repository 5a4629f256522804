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

// Clean deletes the folders of repositories, named by their IDs, in root that
// nobody has used for so long, and returns how many. Other files stay.
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
