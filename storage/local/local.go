// Package local is a storage.Store in a folder of a local or mounted disk.
//
// A key is the path of a file below the folder, as in the repositories restic
// makes, so both programs can work on one folder:
//
//	<dir>/config
//	<dir>/data/3f/3f9a...
//	<dir>/holdfast/tmp/      spools that are still being written
//
// # Guarantees
//
// Put writes a file under a temporary name, flushes it, moves it to its final
// name without ever replacing another file, and flushes the folder. A power
// cut at any moment leaves the whole object or none; a killed process leaves
// at most a temporary file, which List skips and Clean removes.
//
// Flushing (fsync) is the price of "acknowledged means stored": one flush of
// the file and one of the folder for each Put, a few milliseconds on a disk
// whatever the size. Objects of 16 MiB make that small beside writing the
// bytes, and flushes of parallel Puts share journal commits. So nothing here
// delays or skips one.
//
// # Symbolic links
//
// Keys cannot lead outside the folder (storage.CheckKey). A link that the
// owner put directly into the folder, such as data -> /mnt/big/data, is
// followed; links further down are not listed.
package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"holdfast/storage"
	"holdfast/storage/internal/temporary"
)

// Store keeps objects as files below one folder. Open and Create make it.
type Store struct {
	root     string // absolute
	fileMode fs.FileMode
	dirMode  fs.FileMode
	owner    owner // who gets what is put

	// dirs holds the folders that are known to survive a power cut.
	dirs durableDirs
	// renames makes "look, then rename" one step within this process, where
	// the system has no rename that refuses to replace.
	renames sync.Mutex
}

var (
	_ storage.Store   = (*Store)(nil)
	_ storage.Spooler = (*Store)(nil)
	_ storage.Cleaner = (*Store)(nil)
)

// Open opens the store in dir, which must exist: a missing folder is most
// often a disk that is not mounted, and gives storage.ErrNotFound.
func Open(dir string) (*Store, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open storage %s: %w", dir, err)
	}
	info, err := os.Stat(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open storage: folder %s: %w; mount its disk", root, storage.ErrNotFound)
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, notFolder(root)
	}
	if err != nil {
		return nil, fmt.Errorf("open storage: %w", err)
	}
	if !info.IsDir() {
		return nil, notFolder(root)
	}
	s := &Store{root: root, fileMode: 0o600, dirMode: 0o700, owner: ownerOf(info)}
	if sharedWithGroup(root) {
		s.fileMode, s.dirMode = sharedFileMode, sharedDirMode
	}
	return s, nil
}

// The modes of a repository that its owner shares with a group.
const (
	sharedFileMode fs.FileMode = 0o640
	sharedDirMode  fs.FileMode = 0o750
)

// ShareWithGroup lets the group of the folder read it and all that is put
// from now on. Call it before anything else.
func (s *Store) ShareWithGroup() error {
	s.fileMode, s.dirMode = sharedFileMode, sharedDirMode
	if err := os.Chmod(s.root, sharedDirMode); err != nil {
		return fmt.Errorf("share storage with its group: %w", err)
	}
	return nil
}

// Create makes dir with its missing parents, for its owner alone, and opens
// it. A folder that exists already, empty or not, is opened as it is.
func Create(dir string) (*Store, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("create storage %s: %w", dir, err)
	}
	if err := mkdirAllDurably(root); err != nil {
		if errors.Is(err, syscall.ENOTDIR) {
			return nil, notFolder(root)
		}
		return nil, fmt.Errorf("create storage: %w", writeError(err))
	}
	return Open(root)
}

func notFolder(path string) error {
	err := &fs.PathError{Op: "open storage", Path: path, Err: syscall.ENOTDIR}
	return fmt.Errorf("%w: a file is in the way; move it or choose another folder", err)
}

// sharedWithGroup tells whether the owner opened the repository to their
// group. restic takes the mode of the config file for the sign of that, and
// new files have to follow it or the others in the group cannot read them.
func sharedWithGroup(root string) bool {
	info, err := os.Stat(filepath.Join(root, "config"))
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o040 != 0
}

// Location is the absolute path of the folder.
func (s *Store) Location() string { return s.root }

// path turns key into the path of its file.
func (s *Store) path(key string) (string, error) {
	if err := storage.CheckKey(key); err != nil {
		return "", err
	}
	if _, name := filepath.Split(key); temporary.Is(name) {
		return "", fmt.Errorf("%w: %q is a name for temporary files", storage.ErrInvalidKey, key)
	}
	// Localize refuses what means something else to the system: drive
	// letters, streams and device names of Windows.
	rel, err := filepath.Localize(key)
	if err != nil {
		return "", fmt.Errorf("%w: %q is no file name here", storage.ErrInvalidKey, key)
	}
	return filepath.Join(s.root, rel), nil
}
