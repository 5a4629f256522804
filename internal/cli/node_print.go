package cli

import (
	"fmt"
	"os"
	"time"

	"holdfast/internal/size"
	"holdfast/repository/tree"
)

// nodeFormat says how nodes are shown to people.
type nodeFormat struct {
	long          bool
	humanReadable bool
}

// format returns a line for one node.
func (f nodeFormat) format(path string, n *tree.Node) string {
	if !f.long {
		return printable(path)
	}
	bytes := fmt.Sprintf("%10d", n.Size)
	if f.humanReadable {
		bytes = fmt.Sprintf("%11s", size.FormatBytes(n.Size))
	}
	target := ""
	if n.Type == tree.Symlink {
		target = " -> " + printable(n.LinkTarget)
	}
	return fmt.Sprintf("%s %5d %5d %s %s %s%s",
		typedMode(n), n.UID, n.GID, bytes, n.ModTime.Local().Format(timeFormat), printable(path), target)
}

// typedMode returns the mode of a node with the bits of its type, which some
// programs leave out.
func typedMode(n *tree.Node) os.FileMode {
	return n.Mode | map[tree.Type]os.FileMode{
		tree.Dir:        os.ModeDir,
		tree.Symlink:    os.ModeSymlink,
		tree.Device:     os.ModeDevice,
		tree.CharDevice: os.ModeDevice | os.ModeCharDevice,
		tree.Fifo:       os.ModeNamedPipe,
		tree.Socket:     os.ModeSocket,
	}[n.Type]
}

// nodeMessage is a node as ls tells of it, in restic's words.
type nodeMessage struct {
	Name        string      `json:"name"`
	Type        tree.Type   `json:"type"`
	Path        string      `json:"path"`
	UID         uint32      `json:"uid"`
	GID         uint32      `json:"gid"`
	Size        *uint64     `json:"size,omitempty"` // of files, in bytes
	Mode        os.FileMode `json:"mode,omitempty"`
	Permissions string      `json:"permissions,omitempty"`
	ModTime     time.Time   `json:"mtime"`
	AccessTime  time.Time   `json:"atime"`
	ChangeTime  time.Time   `json:"ctime"`
	Inode       uint64      `json:"inode,omitempty"`
	MessageType string      `json:"message_type"` // "node"
	StructType  string      `json:"struct_type"`  // "node"
}

func newNodeMessage(path string, n *tree.Node) nodeMessage {
	m := nodeMessage{
		Name: n.Name, Type: n.Type, Path: path, UID: n.UID, GID: n.GID,
		Mode: n.Mode, Permissions: n.Mode.String(),
		ModTime: n.ModTime, AccessTime: n.AccessTime, ChangeTime: n.ChangeTime, Inode: n.Inode,
		MessageType: "node", StructType: "node",
	}
	if n.Type == tree.File {
		m.Size = &n.Size
	}
	return m
}

// matchMessage is a node as find tells of it, in restic's words.
type matchMessage struct {
	Path        string      `json:"path"`
	Permissions string      `json:"permissions,omitempty"`
	Type        tree.Type   `json:"type"`
	Mode        os.FileMode `json:"mode,omitempty"`
	ModTime     time.Time   `json:"mtime"`
	AccessTime  time.Time   `json:"atime"`
	ChangeTime  time.Time   `json:"ctime"`
	UID         uint32      `json:"uid"`
	GID         uint32      `json:"gid"`
	User        string      `json:"user,omitempty"`
	Group       string      `json:"group,omitempty"`
	Inode       uint64      `json:"inode,omitempty"`
	DeviceID    uint64      `json:"device_id,omitempty"`
	Size        uint64      `json:"size,omitempty"` // bytes
	Links       uint64      `json:"links,omitempty"`
	LinkTarget  string      `json:"linktarget,omitempty"`
	Error       string      `json:"error,omitempty"`
}

func newMatchMessage(path string, n *tree.Node) matchMessage {
	return matchMessage{
		Path: path, Permissions: n.Mode.String(), Type: n.Type, Mode: n.Mode,
		ModTime: n.ModTime, AccessTime: n.AccessTime, ChangeTime: n.ChangeTime,
		UID: n.UID, GID: n.GID, User: n.User, Group: n.Group, Inode: n.Inode, DeviceID: n.DeviceID,
		Size: n.Size, Links: n.Links, LinkTarget: n.LinkTarget, Error: n.Error,
	}
}
