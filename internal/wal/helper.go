package wal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Help delivers the files of an archive in dir, ahead of being asked, until
// nobody has asked for a while: what a restore_command leaves behind, so that
// the next ones need not open the archive, and need not wait. It returns nil
// at once when another process helps there.
func Help(ctx context.Context, dir string, open func(context.Context) (FetchOptions, error), idle time.Duration) error {
	lock, err := takeLock(filepath.Join(dir, "lock"))
	if errors.Is(err, ErrTaken) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("fetch ahead: %w", err)
	}
	defer lock.Close() //nolint:errcheck // it holds nothing
	files := filepath.Join(dir, helperFiles)
	if err := os.RemoveAll(files); err != nil { // of one that was killed
		return fmt.Errorf("fetch ahead: %w", err)
	}
	o, err := open(ctx)
	if err != nil {
		return err
	}
	d, err := NewDelivery(ctx, files, o, func(string) error { return nil })
	if err != nil {
		return err
	}
	d.WaitIdle(ctx, idle)
	return d.Close()
}

const helperFiles = "files"

// HelperSocket is where whoever helps in dir is asked.
func HelperSocket(dir string) string { return filepath.Join(dir, helperFiles, socketName) }
