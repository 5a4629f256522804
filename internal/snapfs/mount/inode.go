//go:build linux || darwin || freebsd

package mount

import (
	"crypto/sha256"
	"encoding/binary"
	"math"

	"holdfast/repository/tree"
)

const rootInode = 1

// inodeOf returns an inode number for what is in a folder under a name. Two
// of 10 million are equal by chance with a probability of 3 in a million.
func inodeOf(folder uint64, parts ...string) uint64 {
	h := sha256.New()
	number := binary.LittleEndian.AppendUint64(nil, folder)
	h.Write(number) //nolint:errcheck // a hash never fails
	for _, p := range parts {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(p)))) //nolint:errcheck // a hash never fails
		h.Write([]byte(p))                                             //nolint:errcheck // a hash never fails
	}
	inode := binary.LittleEndian.Uint64(h.Sum(nil))
	if inode <= rootInode || inode == math.MaxUint64 {
		return rootInode + 1 // FUSE has uses of its own for these
	}
	return inode
}

// linkedInodeOf returns the inode number that all names of a hard linked file
// in a snapshot share. Old snapshots do not tell the device, so that the same
// inode may be that of two files: they differ in content or size.
func linkedInodeOf(snapshot uint64, n *tree.Node) uint64 {
	key := binary.LittleEndian.AppendUint64(nil, n.DeviceID)
	key = binary.LittleEndian.AppendUint64(key, n.Inode)
	key = binary.LittleEndian.AppendUint64(key, n.Size)
	for k := range n.Content {
		key = append(key, n.Content[k][:]...)
	}
	return inodeOf(snapshot, "hard link", string(n.Type), string(key))
}
