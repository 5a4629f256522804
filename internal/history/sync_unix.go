//go:build !windows

package history

import (
	"errors"
	"os"
)

// syncDir makes names in a folder survive a crash of the machine.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
