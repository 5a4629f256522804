package archive

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"holdfast/internal/snapfs"
	"holdfast/repository/tree"
)

// tarSink writes pax archives: the only tar format with times to the
// nanosecond, names of any length and bytes, and extended attributes.
type tarSink struct {
	fs      *snapfs.FS
	w       *tar.Writer
	headers *TarHeaders
}

func newTar(f *snapfs.FS, w io.Writer, warn WarnFunc) *tarSink {
	return &tarSink{fs: f, w: tar.NewWriter(w), headers: NewTarHeaders(f, warn)}
}

func (s *tarSink) close() error { return s.w.Close() }

func (s *tarSink) add(ctx context.Context, name string, n *tree.Node) error {
	h, err := s.headers.Of(name, n)
	if err != nil || h == nil {
		return err
	}
	if err := s.w.WriteHeader(h); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	return s.fs.WriteFile(ctx, n, s.w)
}

// TarHeaders makes the pax headers of one archive. It remembers the files
// that have several names, about 100 bytes each: all but the first become
// hard links to it.
type TarHeaders struct {
	fs   *snapfs.FS
	warn WarnFunc
	// names holds the first name of every file that has several.
	names map[link]string
}

// link tells hard links of one file.
type link struct{ inode, device uint64 }

// NewTarHeaders begins an archive of what is in f.
func NewTarHeaders(f *snapfs.FS, warn WarnFunc) *TarHeaders {
	return &TarHeaders{fs: f, warn: warn, names: make(map[link]string)}
}

// Of returns the header of the next entry, whose name has no leading slash,
// or nil if a tar archive cannot hold it, which the WarnFunc was told.
func (s *TarHeaders) Of(name string, n *tree.Node) (*tar.Header, error) {
	if n.Type == tree.Socket {
		s.warn(name, errUnsupported)
		return nil, nil //nolint:nilnil // there is nothing to write
	}
	h, err := s.header(name, n)
	if err != nil {
		return nil, err
	}
	if !fits(h) {
		s.warn(name, errUnsupported)
		return nil, nil //nolint:nilnil // see above
	}
	return h, nil
}

// maxDeviceNumber is the largest that the seven octal digits of a header hold.
const maxDeviceNumber = 1<<21 - 1

// fits tells whether pax has room for a header. Only snapshots that somebody
// made by hand have such that does not.
func fits(h *tar.Header) bool {
	return max(h.Devmajor, h.Devminor) <= maxDeviceNumber && !strings.ContainsRune(h.Linkname+h.Uname+h.Gname, 0)
}

func (s *TarHeaders) header(name string, n *tree.Node) (*tar.Header, error) {
	h := &tar.Header{
		Format: tar.FormatPAX, Name: name, Mode: unixMode(n.Mode),
		Uid: int(n.UID), Gid: int(n.GID), Uname: n.User, Gname: n.Group,
		ModTime: n.ModTime, PAXRecords: s.records(name, n),
	}
	var err error
	switch n.Type {
	case tree.Dir:
		h.Typeflag = tar.TypeDir
		h.Name += "/"
	case tree.Symlink:
		h.Typeflag = tar.TypeSymlink
		h.Linkname = n.LinkTarget
	case tree.Device, tree.CharDevice:
		h.Typeflag = tar.TypeBlock
		if n.Type == tree.CharDevice {
			h.Typeflag = tar.TypeChar
		}
		h.Devmajor, h.Devminor = deviceNumbers(n.Device)
	case tree.Fifo:
		h.Typeflag = tar.TypeFifo
	default:
		h.Typeflag = tar.TypeReg
	}
	if first := s.firstName(name, n); first != name {
		h.Typeflag, h.Linkname, h.Devmajor, h.Devminor = tar.TypeLink, first, 0, 0
	}
	if h.Typeflag == tar.TypeReg {
		h.Size, err = sizeOf(s.fs, n)
	}
	if !utf8.ValidString(h.Name) || !utf8.ValidString(h.Linkname) {
		h.PAXRecords["hdrcharset"] = "BINARY" // POSIX.1-2008, pax: names are no UTF-8
	}
	return h, err
}

// firstName returns the first name of the file that n is one of the names of.
func (s *TarHeaders) firstName(name string, n *tree.Node) string {
	if n.Type == tree.Dir || n.Links < 2 || n.Inode == 0 {
		return name
	}
	l := link{n.Inode, n.DeviceID}
	if first, ok := s.names[l]; ok {
		return first
	}
	s.names[l] = name
	return name
}

// records returns the extended attributes of a node in the form that star
// began with and GNU tar and libarchive read.
func (s *TarHeaders) records(name string, n *tree.Node) map[string]string {
	records := make(map[string]string)
	for _, a := range n.ExtendedAttributes {
		key := map[string]string{
			"system.posix_acl_access":  "SCHILY.acl.access",
			"system.posix_acl_default": "SCHILY.acl.default",
		}[a.Name]
		switch {
		case key == "" && strings.ContainsRune(a.Name, 0):
			s.warn(name, fmt.Errorf("extended attribute %q left out: it has no name that a system would take", a.Name))
			continue
		case key == "":
			records["SCHILY.xattr."+escapeKey(a.Name)] = string(a.Value)
			continue
		}
		text, err := aclText(a.Value)
		if err != nil {
			s.warn(name, fmt.Errorf("access control list left out: %w", err))
			continue
		}
		records[key] = text
	}
	return records
}

// escapeKey writes "=", which ends a key in a pax record, as GNU tar does.
func escapeKey(name string) string {
	return strings.NewReplacer("%", "%25", "=", "%3D").Replace(name)
}

// unixMode returns the permission bits as the kernel has them.
func unixMode(m os.FileMode) int64 {
	mode := int64(m.Perm())
	for _, bit := range []struct {
		is   os.FileMode
		unix int64
	}{{os.ModeSetuid, 0o4000}, {os.ModeSetgid, 0o2000}, {os.ModeSticky, 0o1000}} {
		if m&bit.is != 0 {
			mode |= bit.unix
		}
	}
	return mode
}

// deviceNumbers takes apart a device number as Linux puts it together.
func deviceNumbers(dev uint64) (major, minor int64) {
	return int64(dev>>8&0xfff | dev>>32&0xfffff000), int64(dev&0xff | dev>>12&0xffffff00)
}
