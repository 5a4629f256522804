//go:build unix

package config

import (
	"os"
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

// syncFolder makes a rename in the folder survive a crash of the machine.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
