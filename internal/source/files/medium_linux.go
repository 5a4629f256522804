package files

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mediumOf asks the kernel what the file system at path is on.
func mediumOf(path string) medium {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return unknown
	}
	if isNetwork(int64(fs.Type)) { //nolint:unconvert // 32 bits on some machines
		return network
	}
	e, err := statPath(path)
	if err != nil {
		return unknown
	}
	return diskOf(e.DeviceID)
}

// cifsMagic and others without a constant in x/sys: see statfs(2).
const (
	cifsMagic = 0xff534d42
	cephMagic = 0x00c36400
)

func isNetwork(fsType int64) bool {
	switch uint32(fsType) {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, cifsMagic,
		cephMagic, unix.AFS_SUPER_MAGIC, unix.CODA_SUPER_MAGIC, unix.V9FS_MAGIC:
		return true
	}
	return false
}

// diskOf reads whether a block device rotates. A partition has no queue of
// its own; its disk is the directory above.
func diskOf(device uint64) medium {
	dir := fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(device), unix.Minor(device))
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return unknown // tmpfs, overlay, btrfs: the device is no block device
	}
	for _, disk := range []string{dir, filepath.Dir(dir)} {
		if flag, err := os.ReadFile(filepath.Join(disk, "queue", "rotational")); err == nil {
			if bytes.Equal(bytes.TrimSpace(flag), []byte("1")) {
				return rotating
			}
			return flash
		}
	}
	return unknown
}
