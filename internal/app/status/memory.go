package status

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Memory keeps what was last seen of each place, in a folder of the cache. It
// is a help on bad days and no more: what is wrong with it is told, and
// nothing depends on it. With an empty folder nothing is kept.
type Memory struct{ Folder string }

// path is where the survey of a place is kept.
func (m Memory) path(place string) string {
	sum := sha256.Sum256([]byte(place))
	return filepath.Join(m.Folder, "status", hex.EncodeToString(sum[:])+".json")
}

// Keep remembers a survey.
func (m Memory) Keep(place string, s *Survey) error {
	if m.Folder == "" {
		return nil
	}
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("remember status: %w", err)
	}
	path := m.path(place)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("remember status: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "new-")
	if err != nil {
		return fmt.Errorf("remember status: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = fmt.Errorf("remember status: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return err
}

// Recall returns what was last seen of a place, nil if nothing is known.
func (m Memory) Recall(place string) (*Survey, error) {
	if m.Folder == "" {
		return nil, nil //nolint:nilnil // nothing is known
	}
	data, err := os.ReadFile(m.path(place))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // nothing is known
	}
	if err != nil {
		return nil, fmt.Errorf("recall status: %w", err)
	}
	s := new(Survey)
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("recall status: %w", err)
	}
	return s, nil
}
