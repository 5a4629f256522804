package evidence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"holdfast/repository"
	"holdfast/repository/id"
)

// Author makes the records of one machine: it has the key that signs them, and
// remembers the last one it made in each repository, so that the next one
// tells if somebody took it away. A nil Author signs nothing and remembers
// nothing.
type Author struct {
	key *PrivateKey
	// memory is the folder of what is remembered; "" remembers nothing.
	memory string
}

// NewAuthor returns the author whose key lies at a path. What it made last is
// remembered in the folder memory, "" for not at all. The key is made if it is
// not there.
func NewAuthor(path, memory string) (*Author, error) {
	key, err := openKey(path)
	if err != nil {
		return nil, fmt.Errorf("key of evidence: %w", err)
	}
	return &Author{key, memory}, nil
}

// LoadAuthor is NewAuthor for a key that is there. Without one, the error is
// fs.ErrNotExist.
func LoadAuthor(path, memory string) (*Author, error) {
	key, err := loadKey(path)
	if err != nil {
		return nil, fmt.Errorf("key of evidence: %w", err)
	}
	return &Author{key, memory}, nil
}

func openKey(path string) (*PrivateKey, error) {
	key, err := loadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := makeKey(path); err != nil && !errors.Is(err, fs.ErrExist) { // another one was quicker
		return nil, err
	}
	return loadKey(path)
}

func loadKey(path string) (*PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// makeKey makes a key for its owner alone. The file is there whole or not at
// all, and never takes the place of another.
func makeKey(path string) (err error) {
	key, err := NewPrivateKey()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".evidence-key-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(key.Marshal())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

// Public returns the key that verifies what the author signs.
func (a *Author) Public() PublicKey { return a.key.Public() }

// sign returns the signature of a statement, "" without an author.
func (a *Author) sign(statement []byte, r *Record) (string, error) {
	if a == nil {
		return "", nil
	}
	comment := fmt.Sprintf("holdfast evidence %d of repository %s, %s %s", r.Sequence, r.Repository, r.Kind, r.Time.Format(time.RFC3339))
	return a.key.Sign(statement, comment), nil
}

// place is the file with the last record made in a repository. Mirrors have
// the ID of their original, and records of their own.
func (a *Author) place(r *repository.Repository) string {
	return filepath.Join(a.memory, "evidence", id.Hash([]byte(r.ID()+"\n"+r.Location())).String())
}

// Made is a record that was made.
type Made struct {
	// Key is where it lies, Hash that of its statement.
	Key  string `json:"key"`
	Hash id.ID  `json:"hash"`
}

// remember keeps the last record made in a repository. It is a help and no
// more: where it cannot be kept, nobody notices but Verify, which knows less.
func (a *Author) remember(r *repository.Repository, last Made) {
	if a == nil || a.memory == "" {
		return
	}
	text, err := json.Marshal(last)
	path := a.place(r)
	if err != nil || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	temp := fmt.Sprintf("%s.%d", path, os.Getpid())
	if os.WriteFile(temp, text, 0o600) != nil || os.Rename(temp, path) != nil {
		os.Remove(temp) //nolint:errcheck // see above
	}
}

// Last returns the last record that the author made in a repository, nil if it
// does not remember one.
func (a *Author) Last(r *repository.Repository) *Made {
	if a == nil || a.memory == "" {
		return nil
	}
	var last Made
	text, err := os.ReadFile(a.place(r))
	if err != nil || json.Unmarshal(text, &last) != nil {
		return nil
	}
	return &last
}
