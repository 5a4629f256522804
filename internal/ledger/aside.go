package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// SetAside takes what a folder holds out of the way, damaged or not, so that
// Open begins anew. It is kept beside, for whoever wants to look into it, in
// place of what was set aside before. ErrInUse says that somebody works with
// it.
func SetAside(dir string) error {
	if err := setAside(dir); err != nil {
		return fmt.Errorf("set the ledger in %s aside: %w", dir, err)
	}
	return nil
}

func setAside(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	guard, err := hold(filepath.Join(dir, "in-use"))
	if err != nil {
		return err
	}
	aside := filepath.Join(dir, "set-aside")
	err = os.RemoveAll(aside)
	if err == nil {
		err = os.Rename(filepath.Join(dir, "member"), aside)
	}
	if errors.Is(err, fs.ErrNotExist) { // there was nothing
		err = nil
	}
	return errors.Join(err, guard.Close())
}
