package archive

import (
	"fmt"
	"os"

	"holdfast/internal/size"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// roomNeeded returns what the parts of a snapshot take at most on their way:
// the one that is made and those that travel, or all of a small snapshot.
func roomNeeded(s *snapshot.Snapshot, split int64) int64 {
	const entryBytes = 2 << 10 // headers, before they are compressed
	parts := split + max(split, travelBytes)
	if s.Summary == nil || s.Summary.TotalBytesProcessed > 1<<60 {
		return parts
	}
	all := int64(s.Summary.TotalBytesProcessed + s.Summary.TotalFilesProcessed*entryBytes) //nolint:gosec // bounded above
	return min(parts, all+all/100+1<<20)
}

// checkRoom makes sure that the parts to come find room while they wait: some
// travel while the next is made. A store that spools in itself says by
// itself that it is full.
func checkRoom(s storage.Store, needed int64) error {
	if _, ok := storage.As[storage.Spooler](s); ok {
		return nil
	}
	dir := os.TempDir()
	room, known := roomIn(dir)
	if !known || room >= needed {
		return nil
	}
	return fmt.Errorf("%s has room for %s, and parts take up to %s there on their way: choose smaller ones with --split, or another folder with TMPDIR",
		dir, size.FormatBytes(uint64(max(room, 0))), size.FormatBytes(uint64(needed))) //nolint:gosec // never negative
}
