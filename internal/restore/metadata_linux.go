package restore

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"holdfast/internal/filemode"
	"holdfast/repository/tree"
)

// Attributes that hold ACLs.
const (
	accessACL  = "system.posix_acl_access"
	defaultACL = "system.posix_acl_default"
)

// setFile gives an open file its metadata. is says what it has now, so that
// nothing is set that is right already; of foreign files also attributes that
// the snapshot does not have are removed.
//
// The order matters: a change of owner clears setuid and capabilities,
// attributes can be set only while the mode permits writing, and all of it
// may touch the times.
func (r *restorer) setFile(_ dirHandle, _ string, f fileHandle, m *metadata, is *state, foreign bool) error {
	return r.setOpen(int(f), m, is, foreign)
}

// setFolder gives an open folder its metadata.
func (r *restorer) setFolder(d dirHandle, m *metadata, is *state, foreign bool) error {
	return r.setOpen(int(d), m, is, foreign)
}

func (r *restorer) setOpen(fd int, m *metadata, is *state, foreign bool) error {
	var errs []error
	mode := r.setOwner(m, is, func(uid, gid int) error { return unix.Fchown(fd, uid, gid) }, &errs)
	if foreign {
		errs = append(errs, r.removeAttributes(fd, m.attributes))
	}
	for _, a := range m.attributes {
		errs = append(errs, r.judgeAttribute(a.Name, unix.Fsetxattr(fd, a.Name, a.Value, 0)))
	}
	// Setting an ACL changes the mode, so it is set although it looked right.
	if is.mode != mode || len(m.attributes) > 0 {
		if err := unix.Fchmod(fd, filemode.ToKernel(mode)); err != nil {
			errs = append(errs, fmt.Errorf("set mode: %w", err))
		}
	}
	if err := fileHandle(fd).setTimes(m.atime, m.mtime); err != nil {
		errs = append(errs, fmt.Errorf("set times: %w", err))
	}
	return errors.Join(errs...)
}

// setOwner sets owner and group if they are not right, as far as this process
// may. It corrects is, and returns the mode to set: without setuid or setgid
// if the item could not be given to those whose rights these bits lend.
func (r *restorer) setOwner(m *metadata, is *state, chown func(uid, gid int) error, errs *[]error) (mode fs.FileMode) {
	mode = m.mode
	if is.uid == m.uid && is.gid == m.gid {
		return mode
	}
	err := chown(int(m.uid), int(m.gid))
	if err == nil {
		is.mode &^= privilegedBits // the kernel has cleared them
		return mode
	}
	if r.process.isRoot() || !errors.Is(err, unix.EPERM) {
		*errs = append(*errs, fmt.Errorf("set owner %d:%d: %w", m.uid, m.gid, err))
	} else {
		r.limits.owners.Add(1)
	}
	lost := privilegedBits
	if is.gid == m.gid || chown(-1, int(m.gid)) == nil {
		lost &^= fs.ModeSetgid
	}
	if is.uid == m.uid {
		lost &^= fs.ModeSetuid
	}
	if mode&lost != 0 {
		r.limits.privileges.Add(1)
	}
	return mode &^ lost
}

// setSymlink gives a symlink its metadata; it has no mode.
func (r *restorer) setSymlink(d dirHandle, name string, m *metadata) error {
	var errs []error
	is := state{uid: r.process.uid, gid: r.process.gid}
	r.setOwner(m, &is, func(uid, gid int) error {
		return unix.Fchownat(int(d), name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
	}, &errs)
	for _, a := range m.attributes {
		err := unix.Lsetxattr(descriptorPath(int(d))+"/"+name, a.Name, a.Value, 0)
		errs = append(errs, r.judgeAttribute(a.Name, err))
	}
	times := []unix.Timespec{timespec(m.atime), timespec(m.mtime)}
	if err := unix.UtimesNanoAt(int(d), name, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		errs = append(errs, fmt.Errorf("set times: %w", err))
	}
	return errors.Join(errs...)
}

// setSpecial gives a device or fifo its metadata. Opening one has effects, so
// that is done through a bare handle on it, which cannot be led astray by a
// symlink that takes its place.
func (r *restorer) setSpecial(d dirHandle, name string, m *metadata) error {
	fd, err := openRetry(int(d), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // a bare handle
	is, err := fileHandle(fd).state()
	if err != nil {
		return err
	}
	if is.kind == tree.Symlink || is.kind == tree.Dir {
		return errReplaced
	}
	path := descriptorPath(fd)
	var errs []error
	mode := r.setOwner(m, &is, func(uid, gid int) error { return unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH) }, &errs)
	for _, a := range m.attributes {
		errs = append(errs, r.judgeAttribute(a.Name, unix.Setxattr(path, a.Name, a.Value, 0)))
	}
	if err := unix.Chmod(path, filemode.ToKernel(mode)); err != nil {
		errs = append(errs, fmt.Errorf("set mode: %w", err))
	}
	times := []unix.Timespec{timespec(m.atime), timespec(m.mtime)}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, times, 0); err != nil {
		errs = append(errs, fmt.Errorf("set times: %w", err))
	}
	return errors.Join(errs...)
}

// judgeAttribute passes over file systems without attributes, as backups do,
// and counts what only root may set.
func (r *restorer) judgeAttribute(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case err == unix.ENOTSUP:
		r.limits.attributes.Add(1)
		return nil
	case err == unix.EPERM && !r.process.isRoot() && !strings.HasPrefix(name, "user."):
		r.limits.attributes.Add(1)
		return nil
	}
	return fmt.Errorf("set extended attribute %s: %w", name, err)
}

// removeAttributes removes the attributes that a foreign file has and the
// snapshot does not: ACLs and capabilities would give rights to somebody.
// Those of security modules stay: they are this machine's business.
func (r *restorer) removeAttributes(fd int, keep []tree.ExtendedAttribute) error {
	names := make([]byte, 64<<10) // XATTR_LIST_MAX
	n, err := unix.Flistxattr(fd, names)
	if err != nil || n == 0 {
		return nil //nolint:nilerr // no attributes that could be in the way
	}
	var errs []error
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		if hasAttribute(keep, name) || strings.HasPrefix(name, "security.") && name != "security.capability" ||
			r.options.Attribute != nil && !r.options.Attribute(name) {
			continue
		}
		if err := unix.Fremovexattr(fd, name); err != nil && err != unix.ENODATA && err != unix.EPERM {
			errs = append(errs, fmt.Errorf("remove extended attribute %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func hasAttribute(list []tree.ExtendedAttribute, name string) bool {
	for i := range list {
		if list[i].Name == name {
			return true
		}
	}
	return false
}
