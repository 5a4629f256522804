//go:build linux || darwin || freebsd

package mount

import (
	"context"
	"maps"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"holdfast/internal/snapfs"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// listNode is a folder above the snapshots. What it holds changes with the
// repository.
type listNode struct {
	fs.Inode
	m    *mounted
	path string // "" for the root
}

var (
	_ fs.NodeGetattrer = (*listNode)(nil)
	_ fs.NodeLookuper  = (*listNode)(nil)
	_ fs.NodeReaddirer = (*listNode)(nil)
)

// now returns what the folder holds at present.
func (l *listNode) now(ctx context.Context) (*folder, syscall.Errno) {
	root, err := l.m.snapshots.current(ctx)
	if err != nil {
		return nil, l.m.errno(ctx, "/"+l.path, err)
	}
	e := root.find(l.path)
	if e == nil || e.folder == nil {
		return nil, syscall.ENOENT
	}
	return e.folder, fs.OK
}

// Getattr shows a folder that is as old as the newest snapshot in it.
func (l *listNode) Getattr(ctx context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	f, errno := l.now(ctx)
	if errno == fs.OK {
		l.m.listAttr(f, &out.Attr)
	}
	return errno
}

func (m *mounted) listAttr(f *folder, out *fuse.Attr) {
	made := f.made
	if made.IsZero() {
		made = m.started
	}
	m.virtualAttr(syscall.S_IFDIR|0o555, made, out)
}

// virtualAttr describes what is in no snapshot.
func (m *mounted) virtualAttr(mode uint32, made time.Time, out *fuse.Attr) {
	out.Mode, out.Nlink = mode, 1
	out.SetTimes(&made, &made, &made)
}

// Readdir lists the folder.
func (l *listNode) Readdir(ctx context.Context) (fs.DirStream, syscall.Errno) {
	f, errno := l.now(ctx)
	if errno != fs.OK {
		return nil, errno
	}
	var list []fuse.DirEntry
	for _, name := range slices.Sorted(maps.Keys(f.entries)) {
		mode := uint32(syscall.S_IFDIR)
		if f.entries[name].link != "" {
			mode = syscall.S_IFLNK
		}
		list = append(list, fuse.DirEntry{Name: name, Mode: mode})
	}
	return fs.NewListDirStream(list), fs.OK
}

// Lookup opens one entry of the folder.
func (l *listNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	f, errno := l.now(ctx)
	if errno != fs.OK {
		return nil, errno
	}
	e := f.entries[name]
	ino := l.StableAttr().Ino
	switch {
	case e == nil:
		return nil, syscall.ENOENT
	case e.folder != nil:
		l.m.listAttr(e.folder, &out.Attr)
		child := &listNode{m: l.m, path: snapfs.Join(l.path, name)}
		return l.NewInode(ctx, child, fs.StableAttr{Mode: syscall.S_IFDIR, Ino: inodeOf(ino, name)}), fs.OK
	case e.link != "":
		l.m.virtualAttr(syscall.S_IFLNK|0o777, f.made, &out.Attr)
		out.Size = uint64(len(e.link))
		child := &fs.MemSymlink{Data: []byte(e.link), Attr: out.Attr}
		return l.NewInode(ctx, child, fs.StableAttr{Mode: syscall.S_IFLNK, Ino: inodeOf(ino, name, e.link)}), fs.OK
	}
	child, errno := l.m.openSnapshot(ctx, e.snapshot, inodeOf(ino, name, e.snapshot.ID.String()))
	if errno != fs.OK {
		return nil, errno
	}
	child.attr(&out.Attr)
	return l.NewInode(ctx, child, fs.StableAttr{Mode: syscall.S_IFDIR, Ino: child.snapshot}), fs.OK
}

// openSnapshot returns the node of a snapshot's root folder.
func (m *mounted) openSnapshot(ctx context.Context, s *snapshot.Snapshot, inode uint64) (*dirNode, syscall.Errno) {
	f, err := m.shared.Open(ctx, s.Tree)
	if err != nil {
		return nil, m.errno(ctx, "snapshot "+s.ID.Short(), err)
	}
	root := f.Root()
	root.Mode = tree.StoredMode(root.Mode)&^0o777 | 0o555
	root.ModTime, root.AccessTime, root.ChangeTime = s.Time, s.Time, s.Time
	return &dirNode{node{place: place{m: m, fs: f, n: root, snapshot: inode, path: s.ID.Short()}}}, fs.OK
}
