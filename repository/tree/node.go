// Package tree holds what a repository records about files: nodes, and the
// trees (directory listings) they stand in.
//
// A tree is stored as JSON whose exact bytes matter, since its ID is their
// SHA-256 and equal folders must give equal IDs whichever program wrote
// them. Builder writes those bytes; Nodes reads them one node at a time.
package tree

import (
	"encoding/json"
	"os"
	"time"

	"holdfast/repository/id"
)

// Type says what kind of file a node describes.
type Type string

// The types of nodes a tree may hold.
const (
	File       Type = "file"
	Dir        Type = "dir"
	Symlink    Type = "symlink"
	Device     Type = "dev"
	CharDevice Type = "chardev"
	Fifo       Type = "fifo"
	Socket     Type = "socket"
)

// Node is one entry of a directory: everything but the content of one file.
// The order of the fields is the order in which they are stored.
type Node struct {
	// Name is the raw name in its directory: any bytes but "/" and NUL.
	Name string
	Type Type
	// Mode holds the permission and type bits of os.FileMode, with setuid,
	// setgid and sticky: not the kernel's st_mode.
	Mode       os.FileMode
	ModTime    time.Time
	AccessTime time.Time
	ChangeTime time.Time
	UID        uint32
	GID        uint32
	User       string
	Group      string
	Inode      uint64
	// DeviceID is st_dev, kept only for files with several hard links.
	DeviceID uint64
	// Size is the length of a regular file in bytes.
	Size uint64
	// Links is the number of hard links.
	Links uint64
	// LinkTarget is the raw target of a symlink: any bytes but NUL.
	LinkTarget string
	// ExtendedAttributes is sorted by name. ACLs are among them.
	ExtendedAttributes []ExtendedAttribute
	// GenericAttributes holds what other systems record (Windows), as it is.
	GenericAttributes map[string]json.RawMessage
	// Device is st_rdev of a device node.
	Device uint64
	// Content lists the data blobs of a file in order; nil unless Type is File.
	Content []id.ID
	// Subtree is the tree of a directory; nil unless Type is Dir.
	Subtree *id.ID
	// Error tells what went wrong when the metadata was read, if anything.
	Error string
}

// ExtendedAttribute is one extended attribute. A nil Value is kept apart
// from an empty one.
type ExtendedAttribute struct {
	Name  string
	Value []byte
}

// storedModeBits are the bits of os.FileMode that a node keeps.
const storedModeBits = os.ModePerm | os.ModeType | os.ModeSetuid | os.ModeSetgid | os.ModeSticky

// StoredMode returns the part of mode that a node keeps.
func StoredMode(mode os.FileMode) os.FileMode { return mode & storedModeBits }
