package proof

import (
	"holdfast/internal/source"
	"holdfast/repository/tree"
)

// fileKey tells files apart whatever they are called.
type fileKey struct{ device, inode uint64 }

// linkKey returns the identity of an item with several names.
func linkKey(n *tree.Node) (fileKey, bool) {
	if n.Type == tree.Dir || n.Links < 2 || n.Inode == 0 {
		return fileKey{}, false
	}
	return fileKey{n.DeviceID, n.Inode}, true
}

// checkLinks makes sure that names of one file are names of one file again.
// It knows those of the part that is compared: others are not there now.
func (c *comparison) checkLinks(n *tree.Node, back *source.Entry) error {
	key, linked := linkKey(n)
	if !linked {
		return nil
	}
	is := fileKey{back.DeviceID, back.Inode}
	first, seen := c.links[key]
	if !seen {
		c.links[key] = is
		return nil
	}
	if first != is {
		return errNotLinked
	}
	return nil
}
