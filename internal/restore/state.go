package restore

import (
	"io/fs"
	"time"

	"holdfast/repository/tree"
)

// stamp is a point in time as the kernel keeps it. It is smaller than
// time.Time, of which the plan would hold two for each file.
type stamp struct {
	sec  int64
	nsec int32
}

func stampOf(t time.Time) stamp { return stamp{t.Unix(), int32(t.Nanosecond())} } //nolint:gosec // below 10^9

func (s stamp) before(o stamp) bool { return s.sec < o.sec || s.sec == o.sec && s.nsec < o.nsec }

// time returns s as a time.Time.
func (s stamp) time() time.Time { return time.Unix(s.sec, int64(s.nsec)) }

// state is what the target's file system says of an item, as stat(2) does.
type state struct {
	fileID
	kind  tree.Type
	mode  fs.FileMode // permissions, setuid, setgid and sticky only
	uid   uint32
	gid   uint32
	links uint64
	size  int64
	mtime stamp
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
	mtime      stamp
	atime      stamp
	attributes []tree.ExtendedAttribute
}

func metadataOf(n *tree.Node) metadata {
	return metadata{
		mode: n.Mode & modeBits, uid: n.UID, gid: n.GID,
		mtime: stampOf(n.ModTime), atime: stampOf(n.AccessTime),
		attributes: n.ExtendedAttributes,
	}
}

// kindOf returns the type of node that a mode belongs to.
func kindOf(m fs.FileMode) tree.Type {
	switch m.Type() {
	case 0:
		return tree.File
	case fs.ModeDir:
		return tree.Dir
	case fs.ModeSymlink:
		return tree.Symlink
	case fs.ModeDevice:
		return tree.Device
	case fs.ModeDevice | fs.ModeCharDevice:
		return tree.CharDevice
	case fs.ModeNamedPipe:
		return tree.Fifo
	case fs.ModeSocket:
		return tree.Socket
	}
	return ""
}
