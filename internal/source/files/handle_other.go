//go:build !linux

package files

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"holdfast/internal/source"
	"holdfast/repository/tree"
)

// system is what all handles of a source share: nothing, here.
type system struct{}

func (s *system) start(Config) {}

// purpose is what a directory is opened for; a path serves both.
type purpose int

const (
	forListing purpose = iota
	forPassing
)

// noOwner stands for an owner that is not known.
const noOwner = ^uint32(0)

// handle is a directory, known by its path.
type handle struct {
	path  string
	entry source.Entry
}

func (s *system) openPath(path string, _ purpose) (*handle, error) {
	e, err := statPath(path)
	return &handle{path: path, entry: e}, err
}

func (h *handle) openDir(name string) (*handle, error) {
	path := filepath.Join(h.path, name)
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("no longer a directory: %w", source.ErrChanged)
	}
	return &handle{path: path, entry: identified(path, info)}, nil
}

func (h *handle) list() ([]string, error) {
	f, err := os.Open(h.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return slices.Compact(names), err
}

func (h *handle) lstat(name string) (source.Entry, error) {
	info, err := os.Lstat(filepath.Join(h.path, name))
	if err != nil {
		return source.Entry{Name: name}, err
	}
	e := entryOf(info)
	e.Name = name
	return e, nil
}

func (h *handle) readlink(name string) (string, error) {
	return os.Readlink(filepath.Join(h.path, name))
}

func (h *handle) attributes(name string) ([]tree.ExtendedAttribute, error) {
	return attributesAt(filepath.Join(h.path, name))
}

func (s *system) attributesAbove(path string) ([]tree.ExtendedAttribute, error) {
	attributes, err := attributesAt(path)
	if os.IsPermission(err) {
		err = nil // it is above what the user asked for
	}
	return attributes, err
}

func (h *handle) close() error { return nil }

// statPath returns the state of the file at path, following symlinks.
func statPath(path string) (source.Entry, error) {
	info, err := os.Stat(path)
	if err != nil {
		return source.Entry{}, err
	}
	return identified(path, info), nil
}

// reader is an open file.
type reader struct {
	*os.File
	path  string
	entry source.Entry
}

func (h *handle) openFile(name string, _ uint32) (*reader, error) {
	path := filepath.Join(h.path, name)
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, openError(err)
	}
	r := &reader{File: f, path: path}
	if r.entry, err = r.stat(); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

func (r *reader) expect(int64) {}

func (r *reader) stat() (source.Entry, error) {
	info, err := r.File.Stat()
	if err != nil {
		return source.Entry{}, err
	}
	e := entryOf(info)
	e.Name = filepath.Base(r.path)
	return e, nil
}

func (r *reader) attributes() ([]tree.ExtendedAttribute, error) { return attributesAt(r.path) }

func (r *reader) close() error { return r.File.Close() }
