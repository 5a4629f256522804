//go:build !windows

package api

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// makeOwned makes a folder that belongs to whoever owns the folder above it: a
// command that the superuser runs leaves nothing that the service cannot read.
func makeOwned(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return giveToOwnerOf(filepath.Dir(dir), dir)
}

// giveToOwnerOf gives a path to the owner of a folder, if the superuser asks.
func giveToOwnerOf(dir, path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid != 0 {
		return os.Lchown(path, int(owner.Uid), int(owner.Gid))
	}
	return nil
}
