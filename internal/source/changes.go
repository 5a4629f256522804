package source

import (
	"errors"

	"holdfast/repository/tree"
)

// ErrEarlier tells that a backup cannot build on the earlier snapshot, whose
// data are missing or damaged. A full backup can be made, and stores them
// again.
var ErrEarlier = errors.New("the earlier snapshot cannot be built on")

// Changes describe a file by how it differs from its state in an earlier
// backup. The whole file is composed of both.
type Changes struct {
	// Earlier is the file as the earlier backup has it, and EarlierSum the
	// CRC-32C of its content.
	Earlier    *tree.Node
	EarlierSum uint32
	// KeepBytes is how much of the beginning of the earlier content still
	// counts. What lies behind and is not among the blocks is zeros.
	KeepBytes int64
	// Blocks are the numbers, in ascending order, of the blocks that differ.
	// The content of the arrival is nothing but those, one after the other.
	Blocks     []uint32
	BlockBytes int
	// Composed is told the CRC-32C of the whole file, once it is stored. It
	// may be called from several goroutines, for different files.
	Composed func(sum uint32)
}
