package diff

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"holdfast/repository/tree"
)

// sameMetadata tells whether two nodes are equal in all but content and
// subtree.
func sameMetadata(a, b *tree.Node) bool {
	return a.Name == b.Name && a.Type == b.Type && a.Mode == b.Mode &&
		a.ModTime.Equal(b.ModTime) && a.AccessTime.Equal(b.AccessTime) && a.ChangeTime.Equal(b.ChangeTime) &&
		a.UID == b.UID && a.GID == b.GID && a.User == b.User && a.Group == b.Group &&
		a.Inode == b.Inode && a.DeviceID == b.DeviceID && a.Size == b.Size && a.Links == b.Links &&
		a.LinkTarget == b.LinkTarget && a.Device == b.Device && a.Error == b.Error &&
		slices.EqualFunc(a.ExtendedAttributes, b.ExtendedAttributes, sameAttribute) &&
		maps.EqualFunc(a.GenericAttributes, b.GenericAttributes, func(x, y json.RawMessage) bool { return bytes.Equal(x, y) })
}

func sameAttribute(a, b tree.ExtendedAttribute) bool {
	return a.Name == b.Name && bytes.Equal(a.Value, b.Value)
}

func sameSubtree(a, b *tree.Node) bool {
	if a.Subtree == nil || b.Subtree == nil {
		return a.Subtree == b.Subtree
	}
	return *a.Subtree == *b.Subtree
}
