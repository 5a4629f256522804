package restore

import (
	"io/fs"

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

func metadataOf(n *tree.Node) metadata {
	return metadata{
		mode: n.Mode & modeBits, uid: n.UID, gid: n.GID,
		mtime: source.TimeOf(n.ModTime), atime: source.TimeOf(n.AccessTime),
		attributes: n.ExtendedAttributes,
	}
}
