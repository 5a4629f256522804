package repository

import (
	"holdfast/repository/blob"
	"holdfast/repository/internal/pack"
)

// PackSize returns the size in bytes that a pack with exactly these blobs
// has: the blobs as they are stored, and its header.
func PackSize(blobs []blob.Blob) int64 {
	n := pack.HeaderSize(blobs)
	for _, b := range blobs {
		n += int64(b.Length)
	}
	return n
}
