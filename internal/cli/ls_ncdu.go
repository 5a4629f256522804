package cli

import (
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// ncduList prints a tree of files in the format that ncdu imports: nested
// lists, each the list of a folder's entries after the folder itself
// (https://dev.yorhel.nl/ncdu/jsonfmt). Entries come in the order of a walk.
type ncduList struct {
	out *lines
	// open is the path of the folder whose list is being printed.
	open string
}

// ncduBlock is what the size on disk is rounded up to: the snapshot does not
// record how much that was.
const ncduBlock = 512

func (l *ncduList) begin(s *snapshot.Snapshot) error {
	l.open = "/"
	return l.out.printf(`[1,2,{"progname":"holdfast","progver":%s,"timestamp":%d},`+"\n"+`[{"name":"/"}`,
		ncduString(Version), s.Time.Unix())
}

func (l *ncduList) end() error {
	if err := l.leave("/"); err != nil {
		return err
	}
	return l.out.printf("]]\n")
}

// add prints an entry, after closing the folders that it is not in.
func (l *ncduList) add(at string, n *tree.Node) error {
	if err := l.leave(path.Dir(at)); err != nil {
		return err
	}
	entry := ncduEntry(n)
	if n.Type == tree.Dir {
		l.open = at
		entry = "[" + entry
	}
	return l.out.printf(",\n%s", entry)
}

// leave closes folders up to the given one.
func (l *ncduList) leave(folder string) error {
	for ; l.open != folder; l.open = path.Dir(l.open) {
		if err := l.out.printf("]"); err != nil {
			return err
		}
	}
	return nil
}

// ncduEntry returns the information block of an entry.
func ncduEntry(n *tree.Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"name":%s`, ncduString(n.Name))
	if n.Type == tree.File && n.Size > 0 {
		fmt.Fprintf(&b, `,"asize":%d,"dsize":%d`, n.Size, (n.Size+ncduBlock-1)/ncduBlock*ncduBlock)
	}
	if n.Type == tree.File && n.Links > 1 { // counted once
		fmt.Fprintf(&b, `,"dev":%d,"ino":%d,"hlnkc":true,"nlink":%d`, n.DeviceID, n.Inode, n.Links)
	}
	if n.Type != tree.File && n.Type != tree.Dir {
		b.WriteString(`,"notreg":true`)
	}
	fmt.Fprintf(&b, `,"uid":%d,"gid":%d,"mode":%d,"mtime":%d}`, n.UID, n.GID, ncduMode(n), max(0, n.ModTime.Unix())) // ncdu refuses what is before 1970
	return b.String()
}

// ncduMode returns the mode of a node as stat(2) has it, on any system.
func ncduMode(n *tree.Node) uint32 {
	mode := uint32(n.Mode.Perm())
	for _, bit := range []struct {
		is   bool
		bits uint32
	}{
		{n.Mode&os.ModeSetuid != 0, 0o4000},
		{n.Mode&os.ModeSetgid != 0, 0o2000},
		{n.Mode&os.ModeSticky != 0, 0o1000},
		{n.Type == tree.File, 0o100000},
		{n.Type == tree.Dir, 0o040000},
		{n.Type == tree.Symlink, 0o120000},
		{n.Type == tree.Device, 0o060000},
		{n.Type == tree.CharDevice, 0o020000},
		{n.Type == tree.Fifo, 0o010000},
		{n.Type == tree.Socket, 0o140000},
	} {
		if bit.is {
			mode |= bit.bits
		}
	}
	return mode
}

// ncduString quotes a name. Its bytes stay as they are, UTF-8 or not, which
// is how ncdu has them itself, but for those that would end the string.
func ncduString(s string) string {
	b := []byte{'"'}
	for _, c := range []byte(s) {
		switch {
		case c == '"', c == '\\':
			b = append(b, '\\', c)
		case c < ' ', c == 0x7f:
			b = append(b, `\u00`...)
			b = append(b, strconv.FormatUint(uint64(c)+0x100, 16)[1:]...)
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}
