//go:build unix

package config

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// copyOwner gives f the owner of an older file. Only root can give a file to
// somebody else; for others the file stays their own, as with any editor.
func copyOwner(f *os.File, older os.FileInfo) error {
	owner, ok := older.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}

// shareLock makes the lock file of a configuration whose folder the superuser
// shares with a group, such as that of the service, so that its members can
// take the lock as well. Elsewhere whoever edits first makes it.
func shareLock(path string) error {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil || os.Geteuid() != 0 {
		return nil //nolint:nilerr // the next step says it better
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Gid == 0 || info.Mode().Perm()&0o020 == 0 {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o660)
	if err != nil {
		return err
	}
	return errors.Join(f.Chown(-1, int(owner.Gid)), f.Chmod(0o660), f.Close())
}

// syncFolder makes a rename in the folder survive a crash of the machine.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
