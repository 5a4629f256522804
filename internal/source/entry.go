package source

import (
	"os"
	"time"

	"holdfast/repository/tree"
)

// Entry is the state of one name in a directory, as stat(2) tells it: a
// plain value without pointers other than the name, so that millions of
// them cost the garbage collector nothing.
type Entry struct {
	// Name is the raw name in its directory: any bytes but "/" and NUL.
	Name string
	// Mode holds type and permissions as os.FileMode does, not st_mode.
	Mode os.FileMode
	UID  uint32
	GID  uint32
	// Size is in bytes; it means content only for regular files.
	Size       int64
	ModTime    Time
	ChangeTime Time
	AccessTime Time
	Inode      uint64
	// DeviceID is the device the entry is on, RDev the one a device node is.
	DeviceID uint64
	Links    uint64
	RDev     uint64
}

// IsDir tells whether the entry is a directory.
func (e *Entry) IsDir() bool { return e.Mode.IsDir() }

// IsRegular tells whether the entry is a regular file.
func (e *Entry) IsRegular() bool { return e.Mode.IsRegular() }

// Type returns the type of node the entry makes, or "" if a snapshot cannot
// hold it.
func (e *Entry) Type() tree.Type { return TypeOf(e.Mode) }

// TypeOf returns the type of node that a mode belongs to, or "" if a snapshot
// cannot hold it.
func TypeOf(mode os.FileMode) tree.Type {
	switch mode.Type() {
	case 0:
		return tree.File
	case os.ModeDir:
		return tree.Dir
	case os.ModeSymlink:
		return tree.Symlink
	case os.ModeDevice:
		return tree.Device
	case os.ModeDevice | os.ModeCharDevice:
		return tree.CharDevice
	case os.ModeNamedPipe:
		return tree.Fifo
	case os.ModeSocket:
		return tree.Socket
	}
	return ""
}

// SameFile tells whether two entries are the same file under possibly
// different names. Entries of systems that number no inodes never are.
func (e *Entry) SameFile(other *Entry) bool {
	return e.Inode != 0 && e.Inode == other.Inode && e.DeviceID == other.DeviceID
}

// Time is an instant: 16 bytes without a pointer, where time.Time has 24
// with one, and with a wider range than nanoseconds in an int64, since file
// systems do keep dates after 2262.
type Time struct {
	Sec  int64 // since 1970 UTC
	Nsec int32 // 0 to 999,999,999
}

// TimeOf returns t as a Time.
func TimeOf(t time.Time) Time { return Time{Sec: t.Unix(), Nsec: int32(t.Nanosecond())} }

// Time returns the instant in UTC.
func (t Time) Time() time.Time { return time.Unix(t.Sec, int64(t.Nsec)).UTC() }

// Before tells whether t is earlier than u.
func (t Time) Before(u Time) bool {
	return t.Sec < u.Sec || t.Sec == u.Sec && t.Nsec < u.Nsec
}
