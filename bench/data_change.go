package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// edit is a new content for one file.
type edit struct {
	path  string
	apply func(w io.Writer, r io.Reader) error
}

// editLines changes 1 % of the files: half of them get a line in their middle,
// the others at their end.
func editLines(files []string) []edit {
	numbers := newRandom(99)
	var edits []edit
	for k, i := range numbers.sample(len(files), len(files)/100) {
		line := fmt.Sprintf("/* edited %016x */\n", numbers.uint64())
		edits = append(edits, edit{files[i], func(w io.Writer, r io.Reader) error {
			text, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			at := len(text)
			if k%2 == 1 {
				at /= 2
			}
			_, err = w.Write(bytes.Join([][]byte{text[:at], text[at:]}, []byte(line)))
			return err
		}})
	}
	return edits
}

// The list of a change step's files, in the folder of the originals; original
// number k is the file of line k.
const changeList = "list"

// change applies the change step. Every edited file takes the place of its
// original by rename, and the list of them is written first, so revert can undo
// a change that was cut short anywhere.
func (s dataSet) change() error {
	files, err := regularFiles(s.dir)
	if err != nil {
		return err
	}
	edits := s.edits(files)
	var list strings.Builder
	for _, e := range edits {
		list.WriteString(e.path + "\n")
	}
	if err := os.MkdirAll(s.saved, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.saved, changeList), []byte(list.String()), 0o644); err != nil {
		return err
	}
	for k, e := range edits {
		if err := e.replace(s.original(k)); err != nil {
			return fmt.Errorf("changing %s: %w", e.path, err)
		}
	}
	return nil
}

func (s dataSet) original(k int) string { return filepath.Join(s.saved, strconv.Itoa(k)) }

// replace moves the file to saved and puts the edited one in its place.
func (e edit) replace(saved string) error {
	in, err := os.Open(e.path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	edited := saved + ".edited"
	if err := writeFile(edited, func(w io.Writer) error { return e.apply(w, in) }); err != nil {
		return err
	}
	if err := os.Chmod(edited, info.Mode().Perm()); err != nil {
		return err
	}
	if err := os.Rename(e.path, saved); err != nil {
		return err
	}
	return os.Rename(edited, e.path)
}

// revert undoes the change step, if there is one to undo, and can itself run
// again after being cut short.
func (s dataSet) revert() error {
	list, err := os.ReadFile(filepath.Join(s.saved, changeList))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for k, path := range strings.Split(strings.TrimSuffix(string(list), "\n"), "\n") {
		err := os.Rename(s.original(k), path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("reverting %s: %w", path, err)
		}
	}
	return os.RemoveAll(s.saved)
}
