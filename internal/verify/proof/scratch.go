package proof

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// keepFree and keepFreeShare are what a proof leaves free of the disk
	// that the scratch folder is on, whichever is more: others write to it
	// too.
	keepFree      = 64 << 20
	keepFreeShare = 20
	// prefix begins the names of scratch folders, so that those of killed
	// runs are known for what they are.
	prefix = "restore-test-"
)

// Scratch is the folder that holds what is restored for a proof. Only one
// process uses it at a time.
type Scratch struct{ path string }

// NewScratch makes the folder at path, for its owner alone, and removes what
// killed runs have left in it.
func NewScratch(path string) (*Scratch, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	s := &Scratch{path}
	left, err := filepath.Glob(filepath.Join(escapeGlob(path), prefix+"*"))
	for _, folder := range left {
		err = errors.Join(err, s.Remove(folder))
	}
	if err != nil {
		return nil, fmt.Errorf("clean scratch folder: %w", err)
	}
	return s, nil
}

// Path is where the folder is.
func (s *Scratch) Path() string { return s.path }

// Room returns how many bytes may be restored into it.
func (s *Scratch) Room() (uint64, error) {
	free, err := FreeBytes(s.path)
	if err != nil {
		return 0, fmt.Errorf("find out how much scratch space there is in %s: %w", s.path, err)
	}
	reserve := max(keepFree, free/keepFreeShare)
	return free - min(free, reserve), nil
}

// Make makes an empty folder.
func (s *Scratch) Make() (string, error) {
	path, err := os.MkdirTemp(s.path, prefix+"*")
	if err != nil {
		return "", fmt.Errorf("make scratch folder: %w", err)
	}
	return path, nil
}

// Remove removes a folder that Make made, with all that is in it, whatever
// permissions were restored with it.
func (s *Scratch) Remove(path string) error {
	err := os.RemoveAll(path)
	if err == nil {
		return nil
	}
	admit(path)
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("remove scratch folder: %w", err)
	}
	return nil
}

// admit lets the owner into all folders below path.
func admit(path string) {
	// Best effort: the removal that follows tells what is left.
	filepath.WalkDir(path, func(at string, e fs.DirEntry, _ error) error { //nolint:errcheck // see above
		if e != nil && e.IsDir() {
			return ignore(os.Chmod(at, 0o700)) //nolint:gosec // a folder, for its owner alone
		}
		return nil
	})
}

func ignore(error) error { return nil }

// Close removes the scratch folder itself if nothing is in it.
func (s *Scratch) Close() { os.Remove(s.path) } //nolint:errcheck // it may be the user's, with other files in it

// escapeGlob makes a path match itself alone.
func escapeGlob(path string) string {
	var escaped []byte
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			if os.PathSeparator != '\\' {
				escaped = append(escaped, '\\')
			}
		}
		escaped = append(escaped, path[i])
	}
	return string(escaped)
}
