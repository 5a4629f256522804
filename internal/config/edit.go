package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
	"github.com/rogpeppe/go-internal/lockedfile"
)

// header begins a file that Edit makes.
const header = `# What holdfast protects, where to, and what it promises.
# "holdfast protect" adds to this file and leaves the rest as you wrote it.
`

// ErrTaken says that a name to add is in the file already.
var ErrTaken = errors.New("the name is taken")

// Additions are entries to add to a configuration, by name.
type Additions struct {
	Repositories map[string]Repository
	Sources      map[string]Source
	Plans        map[string]Plan
}

// Edit adds entries to the file at path, which is made when it is not there.
// decide is given what the file holds and returns what to add; nothing to
// add leaves the file alone. It returns what the file holds afterwards.
//
// Everything that was in the file stays as it is, byte by byte. The new file
// is checked before it takes the old one's place, in one rename: readers and
// crashes see the old file or the new one. Edits by several processes follow
// one another.
func Edit(path string, decide func(*Config) (Additions, error)) (*Config, error) {
	path, err := target(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("edit configuration: %w", err)
	}
	if err := shareLock(path + ".lock"); err != nil {
		return nil, fmt.Errorf("edit configuration: %w", err)
	}
	unlock, err := lockedfile.MutexAt(path + ".lock").Lock()
	if err != nil {
		return nil, fmt.Errorf("edit configuration: %w", err)
	}
	defer unlock()

	old, err := read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		old = []byte(header)
	case err != nil:
		return nil, err
	}
	current, err := Parse(path, old)
	if err != nil {
		return nil, err
	}
	additions, err := decide(current)
	if err != nil || additions.isEmpty() {
		return current, err
	}
	text, err := insertAll(path, old, current, additions)
	if err != nil {
		return nil, fmt.Errorf("edit configuration %s: %w", path, err)
	}
	if err := replaceFile(path, text); err != nil {
		return nil, fmt.Errorf("edit configuration: %w", err)
	}
	return Parse(path, text)
}

// target returns the file that path leads to, so that a symbolic link stays
// one when the file behind it is replaced.
func target(path string) (string, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return filepath.Abs(path)
	}
	if err != nil {
		return "", fmt.Errorf("edit configuration: %w", err)
	}
	return filepath.Abs(resolved)
}

func (a Additions) isEmpty() bool {
	return len(a.Repositories) == 0 && len(a.Sources) == 0 && len(a.Plans) == 0
}

// insertAll returns the text with all additions, checked: it must be valid
// and mean what the old text meant plus the additions. Defaults are left out
// of the comparison: the additions have them, too.
func insertAll(path string, old []byte, current *Config, a Additions) ([]byte, error) {
	if err := a.checkFree(current); err != nil {
		return nil, err
	}
	want, problems := decodeAlone(path, old)
	if len(problems) > 0 {
		return nil, problems
	}
	text := old
	var err error
	if text, err = insertSection(text, "repositories", &want.Repositories, a.Repositories); err != nil {
		return nil, err
	}
	if text, err = insertSection(text, "sources", &want.Sources, a.Sources); err != nil {
		return nil, err
	}
	if text, err = insertSection(text, "plans", &want.Plans, a.Plans); err != nil {
		return nil, err
	}
	got, problems := decodeAlone(path, text)
	if len(problems) > 0 {
		return nil, problems
	}
	same, err := equal(got, want)
	if err == nil && !same {
		err = errors.New("the file is written in a way that cannot be added to; add the entries by hand")
	}
	if _, problems := load(disk, path, text); err == nil && len(problems) > 0 {
		return nil, problems
	}
	return text, err
}

// decodeAlone decodes one file as it stands: without what it includes, and
// without defaults.
func decodeAlone(path string, text []byte) (*Config, Problems) {
	root, problems := parseFile(path, text)
	if len(problems) > 0 {
		return nil, problems
	}
	c, _, problems := decodeTree(root, true)
	return c, problems
}

// checkFree returns ErrTaken for a name that is in one of the files already.
func (a Additions) checkFree(c *Config) error {
	return errors.Join(
		checkFree("repositories", a.Repositories, c.Repositories),
		checkFree("sources", a.Sources, c.Sources),
		checkFree("plans", a.Plans, c.Plans),
	)
}

func checkFree[T any](section string, add, taken map[string]T) error {
	for _, name := range sortedNames(add) {
		if _, ok := taken[name]; ok {
			return fmt.Errorf("%s.%s: %w", section, name, ErrTaken)
		}
	}
	return nil
}

// equal compares what two configurations say: an empty list says as much as
// none.
func equal(a, b *Config) (bool, error) {
	textA, err := yaml.Marshal(a)
	if err != nil {
		return false, fmt.Errorf("compare: %w", err)
	}
	textB, err := yaml.Marshal(b)
	if err != nil {
		return false, fmt.Errorf("compare: %w", err)
	}
	return bytes.Equal(textA, textB), nil
}

// insertSection adds entries to a section of the text and to want, which is
// what the section must then hold.
func insertSection[T any](text []byte, section string, want *map[string]T, add map[string]T) ([]byte, error) {
	for _, name := range sortedNames(add) {
		var err error
		if text, err = insertEntry(text, section, name, add[name]); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", section, name, err)
		}
		if *want == nil {
			*want = map[string]T{}
		}
		(*want)[name] = add[name]
	}
	return text, nil
}

// replaceFile puts text in the place of the file at path, durably. A file
// that was there keeps its mode and owner; a new one is the user's alone.
func replaceFile(path string, text []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".holdfast-*.yaml") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // fails once renamed, as it should
	if err := writeTemp(temp, path, text); err != nil {
		return errors.Join(err, temp.Close())
	}
	if err := temp.Close(); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func writeTemp(temp *os.File, path string, text []byte) error {
	if info, err := os.Stat(path); err == nil {
		if err := copyOwner(temp, info); err != nil {
			return err
		}
		if err := temp.Chmod(info.Mode().Perm()); err != nil {
			return err
		}
	}
	if _, err := bytes.NewReader(text).WriteTo(temp); err != nil {
		return err
	}
	return temp.Sync()
}
