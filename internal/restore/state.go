package restore

import (
	"io/fs"
	"slices"

	"holdfast/internal/source"
	"holdfast/repository/tree"
)

// state is what the target's file system says of an item, as stat(2) does.
type state struct {
	fileID
	kind  tree.Type
	mode  fs.FileMode // permissions, setuid, setgid and sticky only
	uid   uint32
	gid   uint32
	links uint64
	size  int64
	mtime source.Time
}

// fileID tells files apart whatever they are called. It is zero where the
// system has no such numbers.
type fileID struct{ device, inode uint64 }

func (s *state) isFolder() bool { return s.kind == tree.Dir }

// modeBits are the bits of a mode that can be set.
const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// privilegedBits give whoever runs the file the rights of its owner.
const privilegedBits = fs.ModeSetuid | fs.ModeSetgid

// metadata is what is restored of an item beside its content.
type metadata struct {
	mode       fs.FileMode
	uid, gid   uint32
	mtime      source.Time
	atime      source.Time
	attributes []tree.ExtendedAttribute
}

// metadataOf returns what is restored of a node beside its content.
func (r *restorer) metadataOf(n *tree.Node) metadata {
	m := storedMetadata(n)
	if r.options.Attribute != nil {
		m.attributes = slices.DeleteFunc(slices.Clone(m.attributes), func(a tree.ExtendedAttribute) bool { return !r.options.Attribute(a.Name) })
	}
	if r.options.OwnersByName {
		m.uid, m.gid = r.names.user(n.User, n.UID), r.names.group(n.Group, n.GID)
	}
	return m
}

// storedMetadata returns what the snapshot says of a node.
func storedMetadata(n *tree.Node) metadata {
	return metadata{
		mode: n.Mode & modeBits, uid: n.UID, gid: n.GID,
		mtime: source.TimeOf(n.ModTime), atime: source.TimeOf(n.AccessTime),
		attributes: n.ExtendedAttributes,
	}
}
