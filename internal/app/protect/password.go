package protect

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	// passwordSymbols leaves out letters and digits that are easily taken for
	// one another. There are 32: each stands for 5 bits.
	passwordSymbols = "abcdefghijkmnpqrstuvwxyz23456789"
	// 8 groups of 4 are 160 bits: more than any search will ever get through,
	// and still fit to be read out and typed.
	passwordGroups      = 8
	passwordGroupLength = 4
)

// NewPassword returns a password of 160 random bits, such as
// "k3fq-….-….".
func NewPassword() string {
	random := make([]byte, passwordGroups*passwordGroupLength)
	rand.Read(random) //nolint:errcheck // it never returns an error
	var password strings.Builder
	for k, b := range random {
		if k > 0 && k%passwordGroupLength == 0 {
			password.WriteByte('-')
		}
		password.WriteByte(passwordSymbols[int(b)%len(passwordSymbols)])
	}
	return password.String()
}

// ErrPasswordLost says that the file of the password of an existing
// repository is gone.
var ErrPasswordLost = errors.New("the password file is gone")

// EnsurePassword makes the password file of the repository if there is none
// yet. It tells whether it did. A password that is there stays, whatever it
// is; a repository that is there is not given a new one, which could not open
// it.
func (s *Setup) EnsurePassword() (made bool, err error) {
	path := s.Repository.Password.File
	if path == "" {
		return false, nil
	}
	switch info, err := os.Stat(path); {
	case err == nil && info.Size() == 0:
		return false, fmt.Errorf("the password file %s is empty; remove it or write the password into it", path)
	case err == nil:
		return false, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("find the password: %w", err)
	}
	if s.Exists() || s.WasMade() {
		return false, fmt.Errorf("%w: %s; without it the repository at %s cannot be opened: bring the file back, or write the password from the recovery kit into it",
			ErrPasswordLost, path, s.Repository.URL)
	}
	if err := writeFile(path, NewPassword()+"\n", placeNew); err != nil {
		return false, fmt.Errorf("write the password: %w", err)
	}
	return true, nil
}

// writeFile puts a file in its place, for its owner alone: all of it or, if
// something goes wrong or the machine stops, nothing. One process does this
// at a time (see Lock).
func writeFile(path, content string, place func(temp, path string) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temp := path + ".new"
	if err := removeIfThere(temp); err != nil { // a killed run left it
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = place(temp, path)
	}
	if err := errors.Join(err, removeIfThere(temp)); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// placeNew gives a file its name, unless another has it.
func placeNew(temp, path string) error {
	err := os.Link(temp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Rename(temp, path) // the file system knows no hard links
}

func removeIfThere(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
