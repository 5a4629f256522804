//go:build unix

package local

import (
	"io/fs"
	"os"
	"syscall"
)

// owner is the user who gets what the superuser puts into a folder of theirs:
// a service that runs as that user has to add to the same folders, and remove
// the same files. The zero value changes nothing.
type owner struct {
	set      bool
	uid, gid int
}

func ownerOf(root fs.FileInfo) owner {
	s, ok := root.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || s.Uid == 0 {
		return owner{}
	}
	return owner{set: true, uid: int(s.Uid), gid: int(s.Gid)}
}

// takeFile gives a file that was just made to the owner. Where the file system
// has no owners, or keeps them from us, it stays as it is.
func (o owner) takeFile(f *os.File) {
	if o.set {
		f.Chown(o.uid, o.gid) //nolint:errcheck // see above
	}
}

// takeFolder is the same for a folder. It is opened, so that nothing else can
// take its place meanwhile.
func (o owner) takeFolder(path string) {
	if !o.set {
		return
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return // somebody removed it: whoever needs it notices
	}
	o.takeFile(f)
	f.Close() //nolint:errcheck // nothing was written
}
