package source

import "time"

// settleTime is how much older than the earlier backup's start a file's
// times must be to prove anything. File systems stamp times with the
// kernel's tick or worse (FAT: 2 s), so a file written right after it was
// read can carry the very times that were recorded.
const settleTime = 2 * time.Second

// Seen is what an earlier backup recorded about a file or directory.
type Seen struct {
	Size       int64
	ModTime    Time
	ChangeTime Time
	Inode      uint64
	DeviceID   uint64 // 0 when the node does not keep it
}

// Reuse decides what of an earlier backup still describes an entry.
type Reuse struct {
	// PreviousStart is when the earlier backup started.
	PreviousStart time.Time
	// IgnoreInode and IgnoreChangeTime leave these out of the comparison,
	// for file systems that do not keep them stable (network, FUSE).
	IgnoreInode      bool
	IgnoreChangeTime bool
	// NewNodes makes a new node of everything: nodes hold something that
	// changes without a new change time, such as access times.
	NewNodes bool
}

// Content tells whether the content recorded with seen is still that of e,
// so that the file need not be read. It holds for entries of the same name
// and type.
func (r Reuse) Content(e *Entry, seen *Seen) bool {
	if e.IsRegular() && e.Size != seen.Size || e.ModTime != seen.ModTime {
		return false
	}
	if !r.IgnoreInode && e.Inode != seen.Inode {
		return false
	}
	settled := TimeOf(r.PreviousStart.Add(-settleTime))
	if !e.ModTime.Before(settled) {
		return false
	}
	return r.IgnoreChangeTime || e.ChangeTime == seen.ChangeTime && e.ChangeTime.Before(settled)
}

// Node tells whether the whole recorded node is still true, so that it may
// be stored again as it is. Every change of metadata sets a new change
// time; that time and the inode are therefore compared even when Content
// was told to ignore them. The device counts where the node keeps one: hard
// links are found again by device and inode, so all of a group must agree.
// For a directory it speaks of its own metadata, not of what is in it.
func (r Reuse) Node(e *Entry, seen *Seen) bool {
	strict := Reuse{PreviousStart: r.PreviousStart}
	return !r.NewNodes && strict.Content(e, seen) && (seen.DeviceID == 0 || seen.DeviceID == e.DeviceID)
}
