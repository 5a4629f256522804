package files

import (
	"holdfast/internal/source"
	"holdfast/repository/tree"
)

// node returns what an entry alone tells, in the form restic stores it:
// which fields are kept for which type decides whether tree IDs are equal.
func (s *Source) node(e *source.Entry) *tree.Node {
	node := &tree.Node{
		Name:       e.Name,
		Type:       e.Type(),
		Mode:       tree.StoredMode(e.Mode),
		ModTime:    e.ModTime.Time(),
		AccessTime: e.ModTime.Time(),
		ChangeTime: e.ChangeTime.Time(),
		UID:        e.UID,
		GID:        e.GID,
		User:       s.owners.user(e.UID),
		Group:      s.owners.group(e.GID),
		Inode:      e.Inode,
	}
	if s.cfg.WithAccessTime {
		node.AccessTime = e.AccessTime.Time()
	}
	switch node.Type {
	case tree.File:
		node.Size, node.Links = uint64(e.Size), e.Links
	case tree.Symlink:
		node.Links = e.Links
	case tree.Device, tree.CharDevice:
		node.Links, node.Device = e.Links, e.RDev
	}
	// restic drops the device of directories and of nodes with Links 1. It
	// counts no links of fifos and sockets, and so keeps theirs.
	if s.cfg.AllDeviceIDs || node.Type != tree.Dir && node.Links != 1 {
		node.DeviceID = e.DeviceID
	}
	return node
}
