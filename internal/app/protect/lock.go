package protect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrBusy says that another process protects something for this user.
var ErrBusy = errors.New("another `holdfast protect` is at work; run this one again when it has ended")

// Lock makes sure that this user protects one thing at a time, so that
// set-up and scratch space have one owner. The lock ends with the process at
// the latest, however that ends.
func Lock(dataDir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for data: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dataDir, "protect.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if !tryLockFile(f) {
		return nil, errors.Join(ErrBusy, f.Close())
	}
	return f.Close, nil
}
