// Package snapfs reads the folders and files inside a snapshot, as a file
// system that never changes. Whatever shows or sends out the content of
// snapshots (dump, mount, ls, find, diff, restore) reads it here.
//
//	f, err := snapfs.Open(ctx, r, snapshot.Tree)
//	n, err := f.Lookup(ctx, "/home/ann/letter.txt")
//	err = f.WriteFile(ctx, n, os.Stdout)
//
// Paths use "/" and begin at the root of the tree; a leading "/" changes
// nothing. Symlinks are never followed: they are nodes like any other.
//
// What a repository holds may have been written by somebody hostile. Nodes
// whose names could lead out of their folder, or that stand there twice,
// are reported and never handed out as good ones.
package snapfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// cacheBytes bounds the blobs an FS keeps: room for some of the largest
// blobs there are (8 MiB), so that reads of a few files in small steps load
// each blob once.
const cacheBytes = 32 << 20

// The reasons for which a path or a node is of no use. A path that leads
// nowhere is fs.ErrNotExist.
var (
	// ErrNotFolder says that a folder is asked for and something else is there.
	ErrNotFolder = errors.New("not a folder")
	// ErrNotFile says that a regular file is asked for and something else is
	// there.
	ErrNotFile = errors.New("not a regular file")
	// ErrDuplicate says that a folder names the same file twice.
	ErrDuplicate = errors.New("the folder has an entry of this name already")
)

// FS is the file system in one tree. It may be used from many goroutines at
// once, for as long as the repository is open and its index is not reloaded.
type FS struct {
	repo  *repository.Repository
	root  id.ID
	blobs *cache
	// trees holds memory for folders that are being read, for reuse.
	trees sync.Pool
}

// Open returns the file system in the tree of a snapshot or of a folder
// inside one, once it has made sure that the tree can be read. The index of
// the repository is loaded.
func Open(ctx context.Context, r *repository.Repository, root id.ID) (*FS, error) {
	f := &FS{repo: r, root: root}
	f.blobs = newCache(cacheBytes, func(ctx context.Context, h blob.Handle) ([]byte, error) {
		return r.LoadBlob(ctx, h, nil)
	})
	if _, err := f.tree(ctx, root); err != nil {
		return nil, fmt.Errorf("open root folder: %w", err)
	}
	return f, nil
}

// Root returns a node for the root folder. A snapshot records nothing about
// it but what it holds.
func (f *FS) Root() *tree.Node {
	root := f.root
	return &tree.Node{Name: "/", Type: tree.Dir, Mode: os.ModeDir | 0o755, Subtree: &root}
}

// Lookup returns the node at a path. The error wraps fs.ErrNotExist if there
// is none, and ErrNotFolder if the path goes on behind something that is no
// folder.
func (f *FS) Lookup(ctx context.Context, path string) (*tree.Node, error) {
	n := f.Root()
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			continue
		}
		var err error
		if n, err = f.Child(ctx, n, name); err != nil {
			return nil, fmt.Errorf("look up %s: %w", path, err)
		}
	}
	return n, nil
}

// Child returns the entry of a folder that has the given name. Errors as for
// Lookup.
func (f *FS) Child(ctx context.Context, folder *tree.Node, name string) (*tree.Node, error) {
	subtree, err := subtreeOf(folder)
	if err != nil {
		return nil, err
	}
	if err := tree.ValidateName(name); err != nil {
		return nil, fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	data, err := f.tree(ctx, subtree)
	if err != nil {
		return nil, err
	}
	entry, found, err := tree.Find(data, name)
	if err != nil {
		return nil, damagedTree(subtree, err)
	}
	if !found {
		return nil, fmt.Errorf("%q: %w", name, fs.ErrNotExist)
	}
	if err := tree.Validate(&entry.Node); err != nil {
		return nil, damagedTree(subtree, err)
	}
	return &entry.Node, nil
}

// Sub returns the file system in a folder. It shares the memory of f.
func (f *FS) Sub(ctx context.Context, folder *tree.Node) (*FS, error) {
	subtree, err := subtreeOf(folder)
	if err != nil {
		return nil, err
	}
	if _, err := f.tree(ctx, subtree); err != nil {
		return nil, err
	}
	return &FS{repo: f.repo, root: subtree, blobs: f.blobs}, nil
}

// tree returns the JSON of a tree from the cache, which must not be changed.
func (f *FS) tree(ctx context.Context, i id.ID) ([]byte, error) {
	return f.blobs.get(ctx, blob.Handle{ID: i, Type: blob.Tree})
}

func subtreeOf(n *tree.Node) (id.ID, error) {
	if n.Type != tree.Dir || n.Subtree == nil {
		return id.ID{}, fmt.Errorf("%q: %w", n.Name, ErrNotFolder)
	}
	return *n.Subtree, nil
}

// damagedTree says that a tree, though it has its right hash, is no good one.
func damagedTree(i id.ID, err error) error {
	return fmt.Errorf("tree %s is damaged: %w", i.Short(), err)
}
