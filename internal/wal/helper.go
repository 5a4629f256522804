package wal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Helper is what a restore_command leaves behind: a process that delivers the
// files of an archive ahead of being asked, so that the next ones need not open
// the archive, and need not wait.
type Helper struct {
	// Folder is where it is asked, of this user alone. It is removed at the end.
	Folder string
	// Pattern matches the folders of all helpers of this user: those that were
	// killed leave theirs behind, and others remove them. IsOwn tells whether one
	// is this user's alone: others can make a name that matches.
	Pattern string
	IsOwn   func(folder string) bool
	// Files is where it keeps what it fetches, Taker whom that is for, and WAL, if
	// set, which pg_wal it puts that into: see DeliveryPlace.
	Files, Taker, WAL string
	// Open opens the archive.
	Open func(context.Context) (FetchOptions, error)
	// Idle is how long it stays when nobody asks, and Needed, if set, tells
	// whether there still is somebody who could.
	Idle   time.Duration
	Needed func() bool
}

// lookAround is how often a helper looks whether it is needed.
const lookAround = 250 * time.Millisecond

// Help delivers until nobody needs it, or ctx ends. It returns nil at once when
// another process helps there.
func (h Helper) Help(ctx context.Context) error {
	h.removeLeftovers(time.Now())
	lock, err := takeLock(filepath.Join(h.Folder, helperLock))
	if errors.Is(err, ErrTaken) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("fetch ahead: %w", err)
	}
	// Whoever comes in between finds no folder, and fetches for itself.
	defer h.leave(lock)
	socket := HelperSocket(h.Folder)
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) { // of one that was killed
		return fmt.Errorf("fetch ahead: %w", err)
	}
	o, err := h.Open(ctx)
	if err != nil {
		return err
	}
	d, err := NewDelivery(ctx, DeliveryPlace{Folder: h.Files, Socket: socket, Taker: h.Taker, WAL: h.WAL}, o)
	if err != nil {
		return err
	}
	h.wait(ctx, d)
	return d.Close()
}

// leave removes the folder, with what a helper puts there, as long as nobody else
// can help in it.
func (h Helper) leave(lock io.Closer) {
	for _, path := range []string{HelperSocket(h.Folder), filepath.Join(h.Folder, helperLock), h.Folder} {
		os.Remove(path) //nolint:errcheck // the next one uses it, or removes it
	}
	lock.Close() //nolint:errcheck // it holds nothing
}

// helperLock is held by the one that helps in a folder.
const helperLock = "lock"

// leftBehind is how old the folder of a helper must be to be removed by another
// one: longer than one takes from making it to holding its lock.
const leftBehind = time.Hour

// removeLeftovers removes the folders of helpers that were killed, and whose
// servers are not started again.
func (h Helper) removeLeftovers(now time.Time) {
	if h.Pattern == "" {
		return
	}
	found, _ := filepath.Glob(h.Pattern) //nolint:errcheck // what is left over stays then
	for _, folder := range found {
		if folder == h.Folder || !h.IsOwn(folder) {
			continue
		}
		if info, err := os.Lstat(folder); err != nil || now.Sub(info.ModTime()) < leftBehind {
			continue
		}
		if lock, err := takeLock(filepath.Join(folder, helperLock)); err == nil {
			os.RemoveAll(folder) //nolint:errcheck // as above
			lock.Close()         //nolint:errcheck // it holds nothing
		}
	}
}

// wait returns when nobody needs the helper.
func (h Helper) wait(ctx context.Context, d *Delivery) {
	tick := time.NewTicker(lookAround)
	defer tick.Stop()
	for d.idle() < h.Idle && (h.Needed == nil || h.Needed()) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// HelperSocket is where whoever helps in a folder is asked.
func HelperSocket(folder string) string { return filepath.Join(folder, "wal.socket") }
