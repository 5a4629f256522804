package proof

import (
	"bytes"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"holdfast/repository/tree"
)

func slashed(path string) string {
	return strings.TrimPrefix(filepath.ToSlash(path), filepath.VolumeName(path))
}

// privilegedBits are not given to files whose owner cannot be restored.
const privilegedBits = fs.ModeSetuid | fs.ModeSetgid

// compareMetadata tells what of the metadata that came back is not what it
// was. Inodes and the time of the last change of metadata cannot be restored;
// access times are those of reading.
func (it *item) compareMetadata(was, is *tree.Node) []error {
	var found []error
	differs := func(what string, was, is any) {
		found = append(found, fmt.Errorf("its %s was %v, and came back as %v", what, was, is))
	}
	wantMode, gotMode := was.Mode, is.Mode
	if !it.Root {
		wantMode, gotMode = wantMode&^privilegedBits, gotMode&^privilegedBits
	}
	if was.Type != tree.Symlink && wantMode != gotMode {
		differs("mode", wantMode, gotMode)
	}
	if it.Root && !it.proof.NoOwners && (was.UID != is.UID || was.GID != is.GID) {
		differs("owner", fmt.Sprintf("%d:%d", was.UID, was.GID), fmt.Sprintf("%d:%d", is.UID, is.GID))
	}
	if !was.ModTime.Equal(is.ModTime) {
		differs("modification time", was.ModTime, is.ModTime)
	}
	if was.LinkTarget != is.LinkTarget {
		differs("link target", quoted(was.LinkTarget), quoted(is.LinkTarget))
	}
	if was.Device != is.Device {
		differs("device number", was.Device, is.Device)
	}
	if was.Type == tree.File && was.Size != is.Size {
		differs("size", was.Size, is.Size)
	}
	return append(found, it.compareAttributes(was, is)...)
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }

// compareAttributes compares extended attributes, ACLs among them. Those that
// security modules give by themselves are not the backup's.
func (it *item) compareAttributes(was, is *tree.Node) []error {
	var found []error
	got := make(map[string][]byte, len(is.ExtendedAttributes))
	for _, a := range is.ExtendedAttributes {
		got[a.Name] = a.Value
	}
	for _, a := range was.ExtendedAttributes {
		value, ok := got[a.Name]
		delete(got, a.Name)
		switch {
		case !ok && (it.proof.NoAttributes || ofSecurityModule(a.Name)):
		case !ok:
			found = append(found, fmt.Errorf("its extended attribute %s did not come back", a.Name))
		case !bytes.Equal(value, a.Value):
			found = append(found, fmt.Errorf("its extended attribute %s came back with another value", a.Name))
		}
	}
	for name := range got {
		if !ofSecurityModule(name) {
			found = append(found, fmt.Errorf("it came back with the extended attribute %s, which it did not have", name))
		}
	}
	return found
}

func ofSecurityModule(name string) bool {
	return strings.HasPrefix(name, "security.") && name != "security.capability"
}
