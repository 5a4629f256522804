//go:build !linux

package restore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// setFile gives a file its metadata. Extended attributes are counted as left
// out.
func (r *restorer) setFile(d dirHandle, name string, _ fileHandle, m *metadata, is *state, _ bool) error {
	return r.setName(d, name, m, is)
}

// setFolder gives a folder its metadata.
func (r *restorer) setFolder(d dirHandle, m *metadata, is *state, _ bool) error {
	return r.setName(d, ".", m, is)
}

func (r *restorer) setName(d dirHandle, name string, m *metadata, is *state) error {
	var errs []error
	mode := r.setOwner(d, name, m, is, &errs)
	r.limits.attributes.Add(uint64(len(m.attributes)))
	if is.mode != mode {
		if err := d.root.Chmod(name, mode); err != nil {
			errs = append(errs, fmt.Errorf("set mode: %w", err))
		}
	}
	if err := d.root.Chtimes(name, m.atime.Time(), m.mtime.Time()); err != nil {
		errs = append(errs, fmt.Errorf("set times: %w", err))
	}
	return errors.Join(errs...)
}

// setOwner sets owner and group as far as this process may, and returns the
// mode to set: without setuid and setgid if the owner could not be set.
func (r *restorer) setOwner(d dirHandle, name string, m *metadata, is *state, errs *[]error) fs.FileMode {
	if runtime.GOOS == "windows" || is.uid == m.uid && is.gid == m.gid {
		return m.mode
	}
	err := d.root.Lchown(name, int(m.uid), int(m.gid))
	if err == nil {
		is.mode &^= privilegedBits // the kernel has cleared them
		return m.mode
	}
	if r.process.isRoot() || !errors.Is(err, os.ErrPermission) {
		*errs = append(*errs, fmt.Errorf("set owner %d:%d: %w", m.uid, m.gid, err))
	} else {
		r.limits.owners.Add(1)
	}
	if m.mode&privilegedBits != 0 {
		r.limits.privileges.Add(1)
	}
	return m.mode &^ privilegedBits
}

// setSymlink gives a symlink its owner; its times cannot be set without
// following it.
func (r *restorer) setSymlink(d dirHandle, name string, m *metadata) error {
	var errs []error
	r.setOwner(d, name, m, &state{uid: r.process.uid, gid: r.process.gid}, &errs)
	return errors.Join(errs...)
}

func (r *restorer) setSpecial(dirHandle, string, *metadata) error { return errSpecial }
