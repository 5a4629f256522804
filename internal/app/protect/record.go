package protect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"holdfast/internal/app"
	"holdfast/internal/config"
	"holdfast/internal/kit"
)

// Record chooses, and writes what is new into holdfast.yaml, once check has
// agreed. Nothing is written if it has not.
func Record(r Request, check func(*Setup) error) (*Setup, error) {
	var s *Setup
	var refused error
	_, err := config.Edit(r.ConfigPath, func(cfg *config.Config) (config.Additions, error) {
		var err error
		if s, err = Choose(cfg, r); err != nil {
			return config.Additions{}, err
		}
		refused = check(s)
		return s.Added, refused
	})
	if refused == nil && errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w; name a file of your own with --config", err)
	}
	return s, err
}

// ConfigPath returns where holdfast.yaml is that protect adds to: the one in
// use, unless it is the machine's and not this user's to write.
func ConfigPath(flag string, getenv func(string) string) (string, error) {
	path, err := config.Find(flag, getenv)
	asked := flag != "" || getenv(config.EnvPath) != ""
	if err == nil && (asked || path != config.SystemPath || mayWrite(path)) {
		return filepath.Abs(path)
	}
	user, uerr := config.UserPath(getenv)
	switch {
	case err == nil || errors.Is(err, config.ErrNotFound):
		return user, uerr
	case errors.Is(err, fs.ErrPermission) && isMissing(user): // the machine's is closed to this user
		return user, uerr
	}
	return "", err
}

func isMissing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

func mayWrite(path string) bool {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		err = f.Close()
	}
	return err == nil
}

// CheckPlace tells whether a new repository may be made at a place on this
// machine, before anything is written anywhere.
func (s *Setup) CheckPlace(r Request) error {
	place, ok := s.Folder()
	if !ok {
		return nil
	}
	for _, path := range s.Files.Paths {
		if contains(place, path) {
			return fmt.Errorf("the repository cannot lie at %s: %s, which is to be protected, is in it; name another folder with --to", place, path)
		}
	}
	if len(s.Added.Repositories) == 0 || s.Exists() {
		return nil
	}
	if r.To != "" {
		if _, err := os.Stat(filepath.Dir(place)); err != nil {
			return fmt.Errorf("there is no folder %s to make the repository in; if it is on another disk, mount that, else make the folder", filepath.Dir(place))
		}
	}
	return emptyFolder(place)
}

// Folder returns the folder that the repository lies in, if it is one of
// this machine.
func (s *Setup) Folder() (string, bool) {
	folder, local := app.LocalFolder(s.Repository.URL)
	return folder, local && filepath.IsAbs(folder)
}

// Exists tells whether there is a repository at the place on this machine:
// its config is written last.
func (s *Setup) Exists() bool {
	place, ok := s.Folder()
	if !ok {
		return false
	}
	_, err := os.Stat(filepath.Join(place, "config"))
	return err == nil
}

// emptyFolder makes sure that a repository does not get mixed with files of
// somebody else. What an interrupted run made of a repository is no matter.
func emptyFolder(place string) error {
	entries, err := os.ReadDir(place)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the place for the repository: %w", err)
	}
	for _, e := range entries {
		switch e.Name() {
		case "data", "index", "keys", "locks", "snapshots", "holdfast":
			continue
		}
		return fmt.Errorf("%s has other files in it (%s): name a folder for the repository alone, such as --to %s",
			place, e.Name(), filepath.Join(place, "holdfast"))
	}
	return nil
}

// KitPath is where the recovery kit of the repository is.
func (s *Setup) KitPath() string { return kit.Beside(s.ConfigPath, s.Name) }

// WasMade tells whether an earlier run has made the repository. If it is not
// there now, something is wrong, and it is not made anew.
func (s *Setup) WasMade() bool {
	_, err := os.Stat(s.KitPath())
	return err == nil
}
