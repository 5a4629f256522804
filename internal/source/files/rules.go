package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"holdfast/internal/source"
)

// Rules say what to leave out of a backup. The zero value leaves out sockets
// only: they have no content, and exist while their program runs.
type Rules struct {
	// Patterns exclude by absolute path.
	Patterns []Matcher
	// IfPresent excludes what is in directories holding one of these tags.
	// The directory itself and its tag are kept.
	IfPresent []Tag
	// LargerThan excludes everything but directories above this size in
	// bytes; 0 excludes nothing.
	LargerThan int64
	// OneFileSystem stays on the device of each root. Mount points are kept
	// as empty directories.
	OneFileSystem bool
	// Forbidden lists directories that are never backed up, by whichever
	// name they are reached: repositories, caches, scratch space.
	Forbidden []FileID
}

// Matcher tells whether a path is to be excluded.
type Matcher interface {
	Match(path string) bool
}

// Tag is a file that marks its directory. With a Header it counts only if
// it is a regular file starting with these bytes.
type Tag struct {
	Name   string
	Header string
}

// CacheTag marks caches: https://bford.info/cachedir/.
var CacheTag = Tag{Name: "CACHEDIR.TAG", Header: "Signature: 8a477f597d28d172789f06886806bc55"}

// ParseTag reads a tag written as NAME or NAME:HEADER.
func ParseTag(s string) (Tag, error) {
	name, header, _ := strings.Cut(s, ":")
	if name == "" || strings.ContainsRune(name, os.PathSeparator) {
		return Tag{}, fmt.Errorf("tag %q has no file name: write NAME or NAME:HEADER", s)
	}
	return Tag{Name: name, Header: header}, nil
}

// FileID tells a file whatever its name: by device and inode.
type FileID struct {
	DeviceID uint64
	Inode    uint64
}

// Identify returns the identity of the file at path, following symlinks.
func Identify(path string) (FileID, error) {
	e, err := statPath(path)
	if err != nil {
		return FileID{}, pathError("identify", path, err)
	}
	return FileID{DeviceID: e.DeviceID, Inode: e.Inode}, nil
}

// Why something was excluded, as told to Config.Excluded.
const (
	whyPattern   = "matches an exclude pattern"
	whyTooLarge  = "is larger than allowed"
	whyDevice    = "is on another file system"
	whySocket    = "is a socket"
	whyForbidden = "holds backups or their working files"
)

// ruleSet is Rules made ready for use.
type ruleSet struct {
	Rules
	forbidden map[FileID]bool
}

func (r Rules) compile() (ruleSet, error) {
	if r.LargerThan < 0 {
		return ruleSet{}, fmt.Errorf("exclude files larger than %d bytes: size is negative", r.LargerThan)
	}
	set := ruleSet{Rules: r, forbidden: make(map[FileID]bool, len(r.Forbidden))}
	for _, id := range r.Forbidden {
		if id.Inode == 0 {
			return ruleSet{}, errors.New("forbid directory: it has no inode number")
		}
		set.forbidden[id] = true
	}
	return set, nil
}

// matches tells whether a pattern excludes path.
func (r *ruleSet) matches(path string) bool {
	for _, m := range r.Patterns {
		if m.Match(path) {
			return true
		}
	}
	return false
}

// forbids tells whether a directory must never be backed up.
func (r *ruleSet) forbids(e *source.Entry) bool {
	return len(r.forbidden) > 0 && e.IsDir() && r.forbidden[FileID{e.DeviceID, e.Inode}]
}

// excludes returns why the state of an entry excludes it, or "".
func (d *dir) excludes(e *source.Entry) (why string) {
	r := &d.src.rules
	switch {
	case e.Mode&os.ModeSocket != 0:
		return whySocket
	case r.forbids(e):
		return whyForbidden
	case e.IsDir():
		return "" // of another device: the mount point is kept, see sub
	case r.LargerThan > 0 && e.Size > r.LargerThan:
		return whyTooLarge
	case r.OneFileSystem && !d.leadsToRoot && e.DeviceID != d.device:
		return whyDevice
	}
	return ""
}

// filter takes from the sorted names of d those excluded by tag or pattern.
// It reuses the memory of names.
func (d *dir) filter(names []string) []string {
	r := &d.src.rules
	for _, tag := range r.IfPresent {
		names = d.applyTag(tag, names)
	}
	if len(r.Patterns) == 0 {
		return names
	}
	return slices.DeleteFunc(names, func(name string) bool {
		if !r.matches(joinPath(d.path, name)) {
			return false
		}
		d.src.excluded(d.PathOf(name), whyPattern)
		return true
	})
}

// applyTag reduces names to the tag alone if it is there and counts. The
// listing was read anyway, so looking for a tag costs no system call.
func (d *dir) applyTag(tag Tag, names []string) []string {
	at, found := slices.BinarySearch(names, tag.Name)
	if !found {
		return names
	}
	if tag.Header != "" {
		if err := d.checkHeader(tag); err != nil {
			d.src.warn(d.PathOf(tag.Name), fmt.Errorf("directory is not excluded: %w", err))
			return names
		}
	}
	d.src.excluded(d.written, "is marked by "+tag.Name+": its content")
	return names[at : at+1]
}

// errWrongHeader says that a tag does not start as it should.
var errWrongHeader = errors.New("tag has another header")

func (d *dir) checkHeader(tag Tag) error {
	f, err := d.open(tag.Name, noOwner)
	if err != nil {
		return err
	}
	defer f.Close()
	header := make([]byte, len(tag.Header))
	if _, err := io.ReadFull(f, header); err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return fmt.Errorf("read tag: %w", err)
	}
	if !bytes.Equal(header, []byte(tag.Header)) {
		return errWrongHeader
	}
	return nil
}
