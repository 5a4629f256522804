//go:build unix

package console

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// freeBytes is how much may be written below a folder.
func freeBytes(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil //nolint:gosec,unconvert // types differ between systems
}

// writable tells why nothing can be written to a folder, and what then; nil if
// it can.
func writable(dir string) error {
	err := unix.Access(dir, unix.W_OK|unix.X_OK)
	switch {
	case errors.Is(err, unix.EROFS):
		return fmt.Errorf("%w to it. A service that systemd runs writes only where its unit says, which `holdfast service install --now` makes follow holdfast.yaml; or restore there by the command, as root", err)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w for its user. Let it write there, or restore by the command, as root", err)
	}
	return err
}
