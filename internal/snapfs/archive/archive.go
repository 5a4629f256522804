// Package archive writes a folder of a snapshot as a tar or zip stream. The
// same folder always gives the same bytes: entries come in the order of the
// snapshot, each folder before what it holds.
//
// A stream that has begun cannot take anything back, so that the first file
// that cannot be read whole ends it with an error. What an archive cannot hold
// is left out and reported.
package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"holdfast/internal/snapfs"
	"holdfast/repository/tree"
)

// Format is the format of an archive.
type Format string

// The formats.
const (
	// Tar is POSIX.1-2001 (pax), with hard links, devices, extended
	// attributes and ACLs.
	Tar Format = "tar"
	// Zip has files, folders, symlinks, modes and times.
	Zip Format = "zip"
)

// ParseFormat reads the name of a format.
func ParseFormat(name string) (Format, error) {
	switch f := Format(name); f {
	case Tar, Zip:
		return f, nil
	}
	return "", fmt.Errorf("unknown archive format %q: want %s or %s", name, Tar, Zip)
}

// WarnFunc is told of an entry that is left out, or of something of it.
type WarnFunc func(path string, err error)

// sink writes entries into an archive.
type sink interface {
	// add writes the entry of the given name, which has no leading slash.
	add(ctx context.Context, name string, n *tree.Node) error
	close() error
}

// Write writes what is in a folder to w. path is where the folder is in its
// snapshot, and begins the names of the entries; the folder itself is not
// among them.
func Write(ctx context.Context, format Format, f *snapfs.FS, path string, folder *tree.Node, w io.Writer, warn WarnFunc) error {
	s := newSink(format, f, w, warn)
	err := f.Walk(ctx, path, folder, func(path string, n *tree.Node, err error) error {
		if err == nil {
			err = s.add(ctx, strings.TrimLeft(path, "/"), n)
		}
		if err != nil {
			return fmt.Errorf("archive %q: %w", path, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.close()
}

func newSink(format Format, f *snapfs.FS, w io.Writer, warn WarnFunc) sink {
	if format == Zip {
		return newZip(f, w, warn)
	}
	return newTar(f, w, warn)
}

// errUnsupported says that the format has no room for a kind of node.
var errUnsupported = errors.New("this kind of archive cannot hold it; left out")

// sizeOf returns how long a file really is, from its blobs. A snapshot of a
// file that changed meanwhile may tell another size.
func sizeOf(f *snapfs.FS, n *tree.Node) (int64, error) {
	file, err := f.OpenFile(n)
	if err != nil {
		return 0, err
	}
	return file.Size(), nil
}
