package index

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/repository/id"
	"holdfast/storage/tempfile"
)

const (
	segmentSuffix = ".segment"
	tempPrefix    = "tmp-"
	// tempAge is when a temporary file counts as left behind by a process
	// that died: no build takes a day.
	tempAge = 24 * time.Hour
)

// folder is where the segments of one repository lie. Without a path it is
// no folder at all: segments are nameless files in that for temporary ones,
// which go with the process however that ends.
type folder struct {
	path string
	// named, without a path, are files whose names could not be given up while
	// they are in use (Windows): close deletes them.
	named *nameList
}

type nameList struct {
	mu    sync.Mutex
	names []string
}

// openFolder makes the folder if need be.
func openFolder(path string) (folder, error) {
	if path == "" {
		return folder{named: new(nameList)}, nil
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return folder{}, fmt.Errorf("make index cache folder: %w", err)
	}
	return folder{path: path}, nil
}

// isPrivate tells whether nothing of the folder outlives the process.
func (f folder) isPrivate() bool { return f.path == "" }

// segments opens all sound segments, and deletes damaged ones and what dead
// processes left behind.
func (f folder) segments() ([]*segment, error) {
	if f.isPrivate() {
		return nil, nil
	}
	files, err := os.ReadDir(f.path)
	if err != nil {
		return nil, fmt.Errorf("list index cache folder: %w", err)
	}
	var found []*segment
	for _, file := range files {
		path := filepath.Join(f.path, file.Name())
		switch {
		case strings.HasPrefix(file.Name(), tempPrefix):
			removeOld(path, file)
		case strings.HasSuffix(file.Name(), segmentSuffix):
			s, err := openSegment(path)
			if err == nil {
				found = append(found, s)
			} else if !errors.Is(err, fs.ErrNotExist) {
				// Whatever is wrong with it, it can be made again.
				_ = os.Remove(path)
			}
		}
	}
	return found, nil
}

func removeOld(path string, file fs.DirEntry) {
	if info, err := file.Info(); err == nil && time.Since(info.ModTime()) > tempAge {
		_ = os.Remove(path)
	}
}

// segmentName derives a name from the index files that a segment covers, so
// that two processes that build the same segment build one file.
func segmentName(files []id.ID) string {
	sorted := slices.SortedFunc(slices.Values(files), id.ID.Compare)
	h := sha256.New()
	for _, i := range sorted {
		h.Write(i[:]) //nolint:errcheck // a hash.Hash never fails
	}
	return hex.EncodeToString(h.Sum(nil)[:16]) + segmentSuffix
}

// create makes a temporary file that will be published.
func (f folder) create() (*os.File, error) {
	if !f.isPrivate() {
		return os.CreateTemp(f.path, tempPrefix)
	}
	file, left, err := tempfile.Create("holdfast-index-")
	if left != "" {
		f.named.mu.Lock()
		defer f.named.mu.Unlock()
		f.named.names = append(f.named.names, left)
	}
	return file, err
}

// drop deletes a temporary file that will not be published.
func (f folder) drop(file *os.File) error {
	err := file.Close()
	if rerr := os.Remove(file.Name()); !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}

// publish opens a finished file, checks included (what the disk did not keep
// must not be relied on), and gives it its name. It takes the file over.
//
// The file is opened first, as another process may delete what it finds
// under the name. When there is no renaming, as on Windows when a file of the
// name is in use, the segment serves this process only.
func (f folder) publish(file *os.File, name string) (*segment, error) {
	s, err := f.settle(file)
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(file.Name())
		return nil, fmt.Errorf("write index segment: %w", err)
	}
	if f.isPrivate() {
		return s, nil
	}
	path := filepath.Join(f.path, name)
	if os.Rename(s.path, path) == nil {
		s.path = path
	}
	return s, nil
}

// settle makes what was written durable and maps it. A private file dies with
// the process anyway.
func (f folder) settle(file *os.File) (*segment, error) {
	if !f.isPrivate() {
		if err := file.Sync(); err != nil {
			return nil, err
		}
	}
	return mapSegment(file)
}

// remove deletes the file of a segment that is no longer needed. A file that
// cannot be deleted, as on Windows while it is mapped, is found again and
// deleted by a later Sync.
func (f folder) remove(s *segment) { _ = os.Remove(s.path) }

// close deletes what is left of a private folder.
func (f folder) close() error {
	if !f.isPrivate() {
		return nil
	}
	var errs []error
	for _, name := range f.named.names {
		if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err) // nil, most likely
		}
	}
	return errors.Join(errs...)
}

// scratch is a file for data that is written, read back and forgotten. Its
// name is given up at once where the system allows it.
type scratch struct {
	*os.File
	unlinked bool
}

func (f folder) scratch() (scratch, error) {
	file, err := f.create()
	if err != nil {
		return scratch{}, fmt.Errorf("make index scratch file: %w", err)
	}
	err = os.Remove(file.Name())
	return scratch{File: file, unlinked: err == nil || errors.Is(err, fs.ErrNotExist)}, nil
}

func (s scratch) discard() {
	_ = s.Close()
	if !s.unlinked {
		_ = os.Remove(s.Name())
	}
}
