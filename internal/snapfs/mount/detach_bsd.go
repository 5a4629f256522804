//go:build darwin || freebsd

package mount

import "golang.org/x/sys/unix"

// detach takes a file system away that is still in use.
func detach(dir string) error { return unix.Unmount(dir, unix.MNT_FORCE) }
