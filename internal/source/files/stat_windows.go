package files

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/windows"

	"holdfast/internal/source"
)

const openFlags = 0

func openError(err error) error { return err }

// entryOf returns the state of a file as an entry without a name. Windows
// numbers files too, but only tells by opening each: see identified.
func entryOf(info os.FileInfo) source.Entry {
	st, ok := info.Sys().(*syscall.Win32FileAttributeData)
	modified := source.TimeOf(info.ModTime())
	e := source.Entry{
		Mode:       info.Mode(),
		Size:       info.Size(),
		ModTime:    modified,
		ChangeTime: modified, // restic records it so too
		AccessTime: modified,
		Links:      1,
	}
	if ok {
		e.AccessTime = source.TimeOf(time.Unix(0, st.LastAccessTime.Nanoseconds()))
	}
	return e
}

// identified returns the entry of a directory with its number, without
// which rules could not tell it under another name. If the number is not to
// be had, the entry is equal to no other.
func identified(path string, info os.FileInfo) source.Entry {
	e := entryOf(info)
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return e
	}
	const noAccess = 0 // asking for attributes needs none
	share := uint32(windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE)
	h, err := windows.CreateFile(name, noAccess, share, nil, windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		return e
	}
	defer windows.CloseHandle(h)
	var id windows.ByHandleFileInformation
	if windows.GetFileInformationByHandle(h, &id) == nil {
		e.Inode = uint64(id.FileIndexHigh)<<32 | uint64(id.FileIndexLow)
		e.DeviceID = uint64(id.VolumeSerialNumber)
	}
	return e
}
