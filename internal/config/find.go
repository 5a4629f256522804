package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// EnvPath names the environment variable that says where the file is.
const EnvPath = "HOLDFAST_CONFIG"

// SystemPath is where the file of a whole machine is.
const SystemPath = "/etc/holdfast/holdfast.yaml"

// ErrNotFound says that there is no configuration at any usual place.
var ErrNotFound = errors.New("no configuration found")

// Find returns the path of the configuration: flag when it is set, else
// $HOLDFAST_CONFIG, else the user's own file, else the machine's. A path
// that somebody asked for is returned whether or not it is there. Otherwise
// an absent file is ErrNotFound, with the places that were tried.
//
// A file that is there and cannot be reached is an error, never passed over
// for the next one.
func Find(flag string, getenv func(string) string) (string, error) {
	for _, asked := range []string{flag, getenv(EnvPath)} {
		if asked != "" {
			return asked, nil
		}
	}
	var tried []string
	user, err := UserPath(getenv)
	if err == nil {
		tried = append(tried, user)
	}
	tried = append(tried, SystemPath)
	for _, path := range tried {
		switch _, err := os.Stat(path); {
		case err == nil:
			return path, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("find configuration: %w", err)
		}
	}
	return "", fmt.Errorf("%w: tried %s; run \"holdfast protect PATH\" to begin one", ErrNotFound, strings.Join(tried, ", "))
}

// UserPath is where the user's own file is, or would be made:
// $XDG_CONFIG_HOME/holdfast/holdfast.yaml, with ~/.config when the variable
// is not set or, against the XDG specification, not absolute.
func UserPath(getenv func(string) string) (string, error) {
	base := getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the user's configuration folder: %w", err)
		}
		base = filepath.Join(home, ".config")
	}
	return filepath.Join(base, "holdfast", "holdfast.yaml"), nil
}
