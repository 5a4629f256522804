//go:build !linux

package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// syncFolder returns when everything in a folder outlives a loss of power.
func syncFolder(path string) error {
	return filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() && !(entry.IsDir() && runtime.GOOS != "windows") {
			return err
		}
		flags := os.O_RDWR // without which some systems refuse
		if entry.IsDir() {
			flags = os.O_RDONLY
		}
		f, err := os.OpenFile(path, flags, 0)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}
