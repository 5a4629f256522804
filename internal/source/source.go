// Package source describes what can be backed up: a Source is something
// protected (files, a database, a volume), presented as a tree of files.
//
// Whoever backs up opens the source, and then needs to know nothing of what
// it is: it walks directories, lists their names, asks for the state of each
// and opens those it wants to read. Everything excluded by the source's own
// rules is simply not there.
//
// The interface is shaped by cost. A backup in which nothing changed is
// nothing but Names and Stat calls, so these two do one system call per
// name and allocate next to nothing; the full metadata (owner names,
// extended attributes, link targets) is read by Node, only for what is new.
//
// Words: an Entry is the cheap state of one name, what stat(2) tells. A node
// (repository/tree) is the full record that a snapshot keeps.
package source

import (
	"context"
	"errors"
	"io"

	"holdfast/repository/tree"
)

// Errors that a walk meets and goes on after. Names that vanished between
// listing and use give fs.ErrNotExist.
var (
	// ErrExcluded is returned for a name that the source's rules leave out
	// once its state is known. It is no failure: skip the name.
	ErrExcluded = errors.New("excluded")
	// ErrChanged is returned when a name no longer stands for what it was
	// listed as: a file replaced by a symlink, a directory moved away.
	ErrChanged = errors.New("changed while being read")
)

// Source is something protected, presented as a tree of files.
type Source interface {
	// Open returns the top directory. What it holds becomes the root tree
	// of the snapshot; it has no node of its own.
	Open(ctx context.Context) (Dir, error)
}

// Dir is an open directory. All methods but Close may be called from
// several goroutines at once. A directory must stay open for as long as one
// of its subdirectories is in use.
type Dir interface {
	// Path is where the directory is and PathOf where a name in it is, as the
	// user would write it: for messages, not keys.
	Path() string
	PathOf(name string) string
	// Entry is the state of the directory itself, read after it was opened.
	// It replaces what the parent's Stat said. Its name is the one in the
	// parent; the top directory has none.
	Entry() Entry
	// Names lists the directory in ascending order of raw bytes, without
	// what is excluded by name. The strings of one call share memory: one
	// kept alive keeps all of them alive.
	Names(ctx context.Context) ([]string, error)
	// Stat returns the state of one name, never following a symlink.
	Stat(name string) (Entry, error)
	// Open opens a regular file for reading. It neither follows symlinks nor
	// blocks on a fifo that took the file's place: both give ErrChanged. A
	// file replaced by another regular file is opened: File.Entry tells.
	Open(e Entry) (File, error)
	// Sub opens a subdirectory, never following a symlink.
	Sub(e Entry) (Dir, error)
	// Node reads the full metadata of an entry of any type. With a non-nil
	// error the node is still usable if it is not nil: it then lacks what
	// could not be read.
	Node(e Entry) (*tree.Node, error)
	// Close releases the directory. It is never an error worth stopping for.
	Close() error
}

// File is an open regular file. It is not for concurrent use.
type File interface {
	io.ReadCloser
	// Entry is the state of the opened file when it was opened.
	Entry() Entry
	// Node reads the full metadata of exactly the file that is open.
	Node() (*tree.Node, error)
	// Check returns ErrChanged if the file's size or times are no longer
	// those of Entry: what was read may then mix two states.
	Check() error
}
