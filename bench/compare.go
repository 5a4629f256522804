package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxDifferences bounds what is told of a restore that went wrong.
const maxDifferences = 5

// sameTree compares two trees: names, types, modes, sizes, modification times,
// link targets and every byte. It returns an error that names the first
// differences.
func sameTree(want, got string) error {
	c := comparison{want: want, got: got}
	if err := filepath.WalkDir(want, c.visit); err != nil {
		return err
	}
	if err := filepath.WalkDir(got, c.visitExtra); err != nil {
		return err
	}
	return errors.Join(c.found...)
}

type comparison struct {
	want, got string
	found     []error
	a, b      [256 << 10]byte
}

// differ notes a difference and ends the walk when there are enough of them.
func (c *comparison) differ(rel, format string, args ...any) error {
	c.found = append(c.found, fmt.Errorf("%s: "+format, append([]any{rel}, args...)...))
	if len(c.found) >= maxDifferences {
		return fs.SkipAll
	}
	return nil
}

func (c *comparison) visit(path string, _ fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(c.want, path)
	if err != nil || rel == "." { // the root's own metadata is not every tool's business
		return err
	}
	other := filepath.Join(c.got, rel)
	want, err := os.Lstat(path)
	if err != nil {
		return err
	}
	got, err := os.Lstat(other)
	if err != nil {
		return c.differ(rel, "%w", err)
	}
	switch {
	case want.Mode() != got.Mode():
		return c.differ(rel, "mode is %v, want %v", got.Mode(), want.Mode())
	case want.Mode().IsRegular():
		return c.file(rel, path, other, want, got)
	case want.Mode().Type() == fs.ModeSymlink:
		return c.link(rel, path, other)
	}
	return nil
}

func (c *comparison) file(rel, path, other string, want, got fs.FileInfo) error {
	if want.Size() != got.Size() {
		return c.differ(rel, "size is %d, want %d", got.Size(), want.Size())
	}
	if !want.ModTime().Equal(got.ModTime()) {
		return c.differ(rel, "modified %v, want %v", got.ModTime(), want.ModTime())
	}
	same, err := c.sameContent(path, other)
	if err != nil {
		return err
	}
	if !same {
		return c.differ(rel, "content differs")
	}
	return nil
}

func (c *comparison) link(rel, path, other string) error {
	want, err := os.Readlink(path)
	if err != nil {
		return err
	}
	got, err := os.Readlink(other)
	if err != nil || got != want {
		return c.differ(rel, "links to %q, want %q", got, want)
	}
	return nil
}

func (c *comparison) sameContent(path, other string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	g, err := os.Open(other)
	if err != nil {
		return false, err
	}
	defer g.Close()
	for {
		n, err := io.ReadFull(f, c.a[:])
		m, otherErr := io.ReadFull(g, c.b[:])
		if !bytes.Equal(c.a[:n], c.b[:m]) {
			return false, nil
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return err == otherErr, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// visitExtra finds what is in got only.
func (c *comparison) visitExtra(path string, _ fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(c.got, path)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(c.want, rel)); errors.Is(err, fs.ErrNotExist) {
		return c.differ(rel, "is not in the source")
	}
	return nil
}
