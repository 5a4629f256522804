package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// attic keeps restored trees until the end of all rounds. For minutes after a
// file was deleted, ext4 gives its inode to no other (recently_deleted in
// fs/ext4/ialloc.c) but looks at all of them anew for each file it makes: a
// tool that restores many files after the tree of another was deleted would
// take ten times its system time.
type attic struct {
	dir     string
	cleared string // a file, as old as the last time that trees were deleted
	trees   int
	bytes   int64
}

// atticBytes bounds what is kept. Large trees of few files do no harm when
// they are deleted.
const atticBytes = 16 << 30

// deletedFor is how long ext4 may look at what was deleted (RECENTCY_DIRTY in
// fs/ext4/ialloc.c).
const deletedFor = 5 * time.Minute

// newAttic deletes what a killed run left.
func newAttic(root string) (*attic, error) {
	a := &attic{dir: filepath.Join(root, "restored"), cleared: filepath.Join(root, "cleared")}
	if err := a.clear(); err != nil {
		return nil, err
	}
	return a, os.MkdirAll(a.dir, 0o755)
}

// wait waits until what an earlier run deleted disturbs nobody any more.
func (a *attic) wait(ctx context.Context) error {
	at, err := os.Stat(a.cleared)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	left := min(time.Until(at.ModTime().Add(deletedFor)), deletedFor)
	if left <= 0 {
		return nil
	}
	fmt.Fprintf(os.Stderr, "waiting %v, until the file system is done with what the last run deleted\n", left.Round(time.Second))
	select {
	case <-time.After(left):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take moves a tree into the attic, or deletes it if there is no room.
func (a *attic) take(tree string) error {
	size, err := folderSize(tree)
	if err != nil {
		return err
	}
	if a.bytes+size > atticBytes {
		return os.RemoveAll(tree)
	}
	a.trees++
	a.bytes += size
	return os.Rename(tree, filepath.Join(a.dir, fmt.Sprint(a.trees)))
}

// clear deletes all trees, and writes down when, for the next run.
func (a *attic) clear() error {
	kept, err := os.ReadDir(a.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err = errors.Join(err, os.RemoveAll(a.dir)); len(kept) == 0 {
		return err
	}
	return errors.Join(err, os.WriteFile(a.cleared, nil, 0o600))
}
