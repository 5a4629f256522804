package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// dataSet is one source to back up.
type dataSet struct {
	name  string
	title string
	dir   string // its files
	saved string // originals of the files that the change step replaced
	build func(ctx context.Context, dir string) error
	// edits lists what 1 % changed means here, given the set's regular files.
	edits func(files []string) []edit
}

func setNames() []string { return []string{"D1", "D2", "D3"} }

// newSet describes a data set under root. The sets of the quick mode live apart
// from the full ones; both unpack the same downloads.
func newSet(name, root string, quick bool) dataSet {
	downloads := filepath.Join(root, "downloads")
	if quick {
		root = filepath.Join(root, "quick")
	}
	s := dataSet{
		name:  name,
		dir:   filepath.Join(root, "data", name),
		saved: filepath.Join(root, "saved", name),
		edits: editLines,
	}
	switch name {
	case "D1":
		src := sourceTree{downloads: downloads}
		if quick {
			src.folders = []string{"fs", "kernel", "net", "include", "arch/x86"}
		}
		s.title, s.build = "source tree", src.build
	case "D2":
		m := mixed{divisor: 1}
		if quick {
			m.divisor = 16
		}
		s.title, s.build, s.edits = "large mixed", m.build, m.edits
	case "D3":
		t := tiny{files: 200_000}
		if quick {
			t.files /= 20
		}
		s.title, s.build = "tiny files", t.build
	default:
		panic("no such data set: " + name)
	}
	return s
}

// buildSets makes the wanted data sets unless they are there, and undoes a
// change step that an interrupted run left behind.
func buildSets(ctx context.Context, o options) ([]dataSet, error) {
	var sets []dataSet
	for _, name := range o.sets {
		s := newSet(name, o.root, o.quick)
		if err := s.revert(); err != nil {
			return nil, err
		}
		if err := s.ensure(ctx); err != nil {
			return nil, fmt.Errorf("making data set %s: %w", name, err)
		}
		sets = append(sets, s)
	}
	return sets, nil
}

// ensure builds the set beside its place and renames it there when complete.
func (s dataSet) ensure(ctx context.Context) error {
	if _, err := os.Stat(s.dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fmt.Fprintf(os.Stderr, "making data set %s (%s) in %s\n", s.name, s.title, s.dir)
	scratch := s.dir + ".making"
	if err := os.RemoveAll(scratch); err != nil { // of an interrupted run
		return err
	}
	if err := os.MkdirAll(scratch, 0o755); err != nil {
		return err
	}
	if err := s.build(ctx, scratch); err != nil {
		return err
	}
	return os.Rename(scratch, s.dir)
}

// regularFiles lists the regular files below dir in lexical order.
func regularFiles(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	return files, err
}

// setSize is what the report tells about a data set.
type setSize struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
}

// describeSets counts the files of each set.
func describeSets(sets []dataSet) ([]setSize, error) {
	var all []setSize
	for _, s := range sets {
		files, err := regularFiles(s.dir)
		if err != nil {
			return nil, err
		}
		size := setSize{Name: s.name, Title: s.title, Files: len(files)}
		for _, path := range files {
			info, err := os.Lstat(path)
			if err != nil {
				return nil, err
			}
			size.Bytes += info.Size()
		}
		all = append(all, size)
	}
	return all, nil
}

// folderSize is the sum of the sizes of all files below dir, in bytes.
func folderSize(dir string) (int64, error) {
	var total int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}
