package restore

import (
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"holdfast/repository/tree"
)

// dirHandle is an open folder of the target. Its methods take the name of
// one entry, never a path, and none follows a symlink: whatever is put in the
// place of a folder or file meanwhile, nothing outside the target is
// reached. (A single name needs no openat2: it has nothing to resolve.)
type dirHandle int

const noDir dirHandle = -1

// openTarget opens the folder to restore to, which the user named: symlinks
// on the way to it are followed.
func openTarget(path string) (dirHandle, error) {
	fd, err := openRetry(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return dirHandle(fd), err
}

// openRetry is openat, again when a signal interrupts it.
func openRetry(at int, name string, flags int, perm uint32) (int, error) {
	for {
		fd, err := unix.Openat(at, name, flags, perm)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// asTarget is the same folder as the target.
func (d dirHandle) asTarget() dirHandle { return d }

func (d dirHandle) close() { unix.Close(int(d)) } //nolint:errcheck // folders have nothing to write out

func (d dirHandle) state() (state, error) { return fileHandle(d).state() }

func (d dirHandle) lstat(name string) (state, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(d), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return state{}, err
	}
	return stateOf(&st), nil
}

// names lists the folder.
func (d dirHandle) names() ([]string, error) {
	again, err := openRetry(int(d), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) // with an offset of its own
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(again), ".")
	defer f.Close() //nolint:errcheck // it was only read
	return f.Readdirnames(-1)
}

// makeFolder makes a subfolder that only its owner can enter; its own
// permissions are set when everything is in it.
func (d dirHandle) makeFolder(name string) error { return unix.Mkdirat(int(d), name, 0o700) }

// openFolder opens a subfolder. If its permissions keep its owner out they
// are widened, if that is allowed: they are set anew when everything is in it.
func (d dirHandle) openFolder(name string, widen bool) (dirHandle, error) {
	const flags = unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := openRetry(int(d), name, unix.O_RDONLY|flags, 0)
	if err != unix.EACCES || !widen {
		return dirHandle(fd), err
	}
	bare, berr := openRetry(int(d), name, unix.O_PATH|flags, 0)
	if berr != nil {
		return noDir, berr
	}
	defer unix.Close(bare) //nolint:errcheck // a bare handle
	if unix.Chmod(descriptorPath(bare), 0o700) != nil {
		return noDir, err
	}
	fd, err = openRetry(int(d), name, unix.O_RDONLY|flags, 0)
	return dirHandle(fd), err
}

// admit widens the permissions of a folder so that its owner can change it.
func (d dirHandle) admit(mode fs.FileMode) error {
	return unix.Fchmod(int(d), uint32(mode.Perm()|0o700))
}

// inherits tells whether what is made in a folder gets more than the umask
// says: an ACL by default.
func (d dirHandle) inherits() bool {
	_, err := unix.Fgetxattr(int(d), defaultACL, nil)
	return err == nil
}

// create makes a file that must not exist.
func (d dirHandle) create(name string, perm fs.FileMode) (fileHandle, error) {
	fd, err := openRetry(int(d), name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(perm.Perm()))
	return fileHandle(fd), err
}

// open opens a file that exists. It does not block on a fifo that took its
// place: the caller looks at what was opened.
func (d dirHandle) open(name string, write bool) (fileHandle, error) {
	flags := unix.O_RDONLY
	if write {
		flags = unix.O_RDWR
	}
	fd, err := openRetry(int(d), name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	return fileHandle(fd), err
}

func (d dirHandle) readlink(name string) (string, error) {
	buffer := make([]byte, unix.PathMax) // no target is longer
	n, err := unix.Readlinkat(int(d), name, buffer)
	if err != nil {
		return "", err
	}
	return string(buffer[:n]), nil
}

func (d dirHandle) symlink(target, name string) error { return unix.Symlinkat(target, int(d), name) }

// rename gives an entry another name in the same folder; what has that name
// already is replaced.
func (d dirHandle) rename(from, to string) error { return unix.Renameat(int(d), from, int(d), to) }

// link makes a second name for a file.
func (d dirHandle) link(name string, from dirHandle, fromName string) error {
	return unix.Linkat(int(from), fromName, int(d), name, 0)
}

// special makes a device or a fifo.
func (d dirHandle) special(name string, n *tree.Node) error {
	kind := map[tree.Type]uint32{tree.Fifo: unix.S_IFIFO, tree.Device: unix.S_IFBLK, tree.CharDevice: unix.S_IFCHR}[n.Type]
	device := 0
	if n.Type != tree.Fifo {
		device = int(n.Device) //nolint:gosec // as stat(2) gave it
	}
	return unix.Mknodat(int(d), name, kind|0o600, device)
}

func (d dirHandle) remove(name string, folder bool) error {
	flags := 0
	if folder {
		flags = unix.AT_REMOVEDIR
	}
	return unix.Unlinkat(int(d), name, flags)
}

// descriptorPath leads to the very file that is open, whatever its name.
func descriptorPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
