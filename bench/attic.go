package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// attic keeps restored trees until the end of all rounds. For minutes after a
// file was deleted, ext4 gives its inode to no other (recently_deleted in
// fs/ext4/ialloc.c) but looks at all of them anew for each file it makes: a
// tool that restores many files after the tree of another was deleted would
// take ten times its system time.
type attic struct {
	dir   string
	trees int
	bytes int64
}

// atticBytes bounds what is kept. Large trees of few files do no harm when
// they are deleted.
const atticBytes = 16 << 30

// newAttic deletes what a killed run left.
func newAttic(root string) (*attic, error) {
	a := &attic{dir: filepath.Join(root, "restored")}
	if err := a.clear(); err != nil {
		return nil, err
	}
	return a, os.MkdirAll(a.dir, 0o755)
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

func (a *attic) clear() error { return os.RemoveAll(a.dir) }
