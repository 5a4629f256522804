//go:build linux || darwin || freebsd

package mount

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"os"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"holdfast/internal/snapfs"
	"holdfast/repository/tree"
)

// node is something inside a snapshot.
type node struct {
	fs.Inode
	place
}

// place is what a node stands for.
type place struct {
	m  *mounted
	fs *snapfs.FS
	n  *tree.Node
	// snapshot is the inode number of the snapshot's root folder.
	snapshot uint64
	// path is for messages: the snapshot's ID and the path in it.
	path string
}

// dirNode, fileNode and linkNode are nodes that can be listed, read, and
// followed.
type (
	dirNode  struct{ node }
	fileNode struct{ node }
	linkNode struct{ node }
)

var (
	_ fs.NodeGetattrer   = (*node)(nil)
	_ fs.NodeGetxattrer  = (*node)(nil)
	_ fs.NodeListxattrer = (*node)(nil)
	_ fs.NodeLookuper    = (*dirNode)(nil)
	_ fs.NodeReaddirer   = (*dirNode)(nil)
	_ fs.NodeOpener      = (*fileNode)(nil)
	_ fs.FileReader      = (*handle)(nil)
	_ fs.NodeReadlinker  = (*linkNode)(nil)
)

// errno turns an error into what the reader sees, and tells the user of it.
func (m *mounted) errno(ctx context.Context, item string, err error) syscall.Errno {
	switch {
	case ctx.Err() != nil:
		return syscall.EINTR
	case errors.Is(err, iofs.ErrNotExist):
		return syscall.ENOENT
	}
	m.warn(item, err)
	return syscall.EIO
}

// Getattr shows the metadata that the snapshot recorded.
func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.attr(&out.Attr)
	out.SetTimeout(contentTimeout)
	return fs.OK
}

func (n *place) attr(out *fuse.Attr) {
	t := n.n
	out.Mode = unixMode(t)
	out.Nlink = uint32(max(1, min(t.Links, 1<<31))) //nolint:gosec // bounded
	out.Size = t.Size
	if t.Type == tree.Symlink {
		out.Size = uint64(len(t.LinkTarget))
	}
	out.Blocks = (out.Size + 511) / 512
	out.Rdev = uint32(t.Device) //nolint:gosec // the kernel's form has 32 bits
	if !n.m.o.OwnerRoot {
		out.Owner = fuse.Owner{Uid: t.UID, Gid: t.GID}
	}
	out.SetTimes(&t.AccessTime, &t.ModTime, &t.ChangeTime)
}

// unixMode returns the mode as the kernel has it.
func unixMode(n *tree.Node) uint32 {
	mode := uint32(n.Mode.Perm()) | typeBits(n.Type)
	if n.Mode&os.ModeSetuid != 0 {
		mode |= syscall.S_ISUID
	}
	if n.Mode&os.ModeSetgid != 0 {
		mode |= syscall.S_ISGID
	}
	if n.Mode&os.ModeSticky != 0 {
		mode |= syscall.S_ISVTX
	}
	return mode
}

func typeBits(t tree.Type) uint32 {
	switch t {
	case tree.Dir:
		return syscall.S_IFDIR
	case tree.Symlink:
		return syscall.S_IFLNK
	case tree.Device:
		return syscall.S_IFBLK
	case tree.CharDevice:
		return syscall.S_IFCHR
	case tree.Fifo:
		return syscall.S_IFIFO
	case tree.Socket:
		return syscall.S_IFSOCK
	}
	return syscall.S_IFREG
}

// Getxattr reads one extended attribute.
func (n *node) Getxattr(_ context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	for _, a := range n.n.ExtendedAttributes {
		if a.Name == name {
			return fill(dest, a.Value)
		}
	}
	return 0, fs.ENOATTR
}

// Listxattr lists the names of the extended attributes.
func (n *node) Listxattr(_ context.Context, dest []byte) (uint32, syscall.Errno) {
	var names []byte
	for _, a := range n.n.ExtendedAttributes {
		names = append(append(names, a.Name...), 0)
	}
	return fill(dest, names)
}

// fill copies what fits whole and tells the size.
func fill(dest, value []byte) (uint32, syscall.Errno) {
	size := uint32(len(value)) //nolint:gosec // attributes have at most 64 KiB
	if len(dest) < len(value) {
		return size, syscall.ERANGE
	}
	copy(dest, value)
	return size, fs.OK
}

// Readdir lists a folder.
func (d *dirNode) Readdir(ctx context.Context) (fs.DirStream, syscall.Errno) {
	l, errno := d.open(ctx)
	if errno != fs.OK {
		return nil, errno
	}
	list := make([]fuse.DirEntry, len(l.nodes))
	for k := range l.nodes {
		list[k] = fuse.DirEntry{Name: l.nodes[k].Name, Mode: typeBits(l.nodes[k].Type), Ino: d.inode(&l.nodes[k])}
	}
	return fs.NewListDirStream(list), fs.OK
}

// Lookup opens one entry of a folder.
func (d *dirNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	l, errno := d.open(ctx)
	if errno != fs.OK {
		return nil, errno
	}
	found := l.child(name)
	if found == nil {
		return nil, syscall.ENOENT
	}
	kept := *found // and not the folder it is in
	child := place{m: d.m, fs: d.fs, n: &kept, snapshot: d.snapshot, path: snapfs.Join(d.path, name)}
	child.attr(&out.Attr)
	out.SetAttrTimeout(contentTimeout)
	out.SetEntryTimeout(contentTimeout)
	return d.NewInode(ctx, embedder(child), fs.StableAttr{Mode: typeBits(kept.Type), Ino: d.inode(&kept)}), fs.OK
}

func (d *dirNode) open(ctx context.Context) (*listing, syscall.Errno) {
	l, err := d.m.folders.open(ctx, d.fs, d.n, func(err error) { d.m.warn(d.path, err) })
	if err != nil {
		return nil, d.m.errno(ctx, d.path, err)
	}
	return l, fs.OK
}

// inode returns the inode number of an entry.
func (d *dirNode) inode(n *tree.Node) uint64 {
	if n.Type != tree.Dir && n.Links > 1 && n.Inode != 0 {
		return linkedInodeOf(d.snapshot, n)
	}
	return inodeOf(d.StableAttr().Ino, n.Name)
}

// embedder returns a node of the right kind.
func embedder(p place) fs.InodeEmbedder {
	switch p.n.Type {
	case tree.Dir:
		return &dirNode{node{place: p}}
	case tree.File:
		return &fileNode{node{place: p}}
	case tree.Symlink:
		return &linkNode{node{place: p}}
	}
	return &node{place: p}
}

// Readlink reads the target of a symlink.
func (l *linkNode) Readlink(context.Context) ([]byte, syscall.Errno) {
	return []byte(l.n.LinkTarget), fs.OK
}

// Open opens a file for reading. The kernel may keep what it has read.
func (f *fileNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, 0, syscall.EROFS
	}
	file, err := f.fs.OpenFile(f.n)
	if err != nil {
		return nil, 0, f.m.errno(ctx, f.path, err)
	}
	return &handle{f, file}, fuse.FOPEN_KEEP_CACHE, fs.OK
}

// handle is an open file.
type handle struct {
	node *fileNode
	file *snapfs.File
}

// Read reads some of the content.
func (h *handle) Read(ctx context.Context, dest []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	n, err := h.file.ReadAt(ctx, dest, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, h.node.m.errno(ctx, h.node.path, err)
	}
	return fuse.ReadResultData(dest[:n]), fs.OK
}
