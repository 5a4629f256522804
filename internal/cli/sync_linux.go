package cli

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncFolder returns when everything in a folder outlives a loss of power: with
// the file system that it lies on, which takes one request, not one for each file.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := unix.Syncfs(int(d.Fd())); err != nil { //nolint:gosec // no descriptor is larger
		err = &os.PathError{Op: "syncfs", Path: path, Err: err}
		return errors.Join(err, d.Close())
	}
	return d.Close()
}
