// Package protect is what stands behind `holdfast protect`: from paths to a
// plan in holdfast.yaml, a repository with a strong password, a snapshot and
// the proof that it comes back.
//
// Set-up follows one order, in which every step can run twice and whoever is
// killed between two goes on when run again:
//
//  1. Choose decides, from what holdfast.yaml says, which source, plan and
//     repository are meant, and Check looks whether they can work at all.
//  2. Record writes what is new into holdfast.yaml, in one rename. From here
//     on names and places are fixed.
//  3. EnsurePassword makes the password file, complete or not at all. A
//     password that is there is never replaced.
//  4. The repository is made; its config, which makes it one, is written
//     last.
//  5. The recovery kit is written. Once it is there, a repository that is
//     not found is missing, and none is made in its place: the disk may
//     not be mounted.
//
// Backup and proof follow each time.
package protect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"holdfast/internal/config"
	"holdfast/internal/secret"
)

// Request is what the user asks for.
type Request struct {
	// Paths are what to protect, as Paths returns them.
	Paths []string
	// Postgres, if set, is the server to protect instead, and HasDSNPassword
	// tells that its connection string came with a password.
	Postgres       *config.Postgres
	HasDSNPassword bool
	// Name is what a new source and its plan are called; "" leaves it to Choose.
	Name string
	// To names the repository, by its name in holdfast.yaml or its place; ""
	// leaves it to Choose.
	To string
	// Password says where the password of the repository is; the zero Ref
	// has one made.
	Password secret.Ref
	// ConfigPath is where holdfast.yaml is, or will be.
	ConfigPath string
	// DataDir is the folder for the default repository and for scratch space.
	DataDir string
}

// Setup says what serves a request: names in holdfast.yaml and what they
// mean.
type Setup struct {
	Plan, Source, Name string
	Files              config.Files
	Postgres           *config.Postgres // instead of Files
	Repository         config.Repository
	// ConfigPath is the file that holds them.
	ConfigPath string
	// Added is what was not in the file before.
	Added config.Additions
}

// IsNew tells whether a plan was added.
func (s *Setup) IsNew() bool { return len(s.Added.Plans) > 0 }

// DataDir returns the folder for what holdfast keeps on this machine:
// $XDG_DATA_HOME/holdfast, with ~/.local/share when the variable is not set
// or not absolute, and the local application data on Windows.
func DataDir(getenv func(string) string) (string, error) {
	base := getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(base) && runtime.GOOS == "windows" {
		base = getenv("LocalAppData")
	}
	if !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the folder for data: %w", err)
		}
		base = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(base, "holdfast"), nil
}

// errNotSupported answers a source that is planned and not built.
var errNotSupported = errors.New("not supported by this version of holdfast, which protects files, folders and PostgreSQL servers; " +
	"protect a dump of it, such as `mysqldump shop | holdfast backup --stdin --stdin-filename shop.sql`")

// Paths returns what the arguments mean: whole paths in ascending order,
// without those that lie in others. A path that is a symlink stands for what
// it leads to: a backup of the link alone would protect nothing.
func Paths(arguments []string) ([]string, error) {
	var paths []string
	for _, argument := range arguments {
		if scheme, ok := schemeOf(argument); ok {
			if isPlace(scheme) {
				return nil, fmt.Errorf("%s://… is a place to back up to: name the folders to protect, and the place with --to", scheme)
			}
			return nil, fmt.Errorf("%s://…: %w", scheme, errNotSupported)
		}
		path, err := filepath.Abs(argument)
		if err != nil {
			return nil, fmt.Errorf("make %s absolute: %w", argument, err)
		}
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s does not exist; name a file or folder to protect", path)
		}
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			path, err = filepath.EvalSymlinks(path)
		}
		if err != nil {
			return nil, fmt.Errorf("find what to protect: %w", err)
		}
		paths = append(paths, path)
	}
	return outermost(paths), nil
}

// isPlace tells whether what a scheme names is kept in, and not protected.
func isPlace(scheme string) bool {
	return slices.Contains([]string{"s3", "azure", "gs", "sftp", "rest", "http", "https"}, scheme)
}

// schemeOf returns "postgres" of "postgres://user:secret@host/shop".
func schemeOf(argument string) (string, bool) {
	scheme, _, ok := strings.Cut(argument, "://")
	return scheme, ok && scheme != "" && !strings.ContainsAny(scheme, `/\.`)
}

// outermost sorts paths and drops those that lie in others.
func outermost(paths []string) []string {
	slices.Sort(paths)
	var kept []string
	for _, path := range paths {
		if !slices.ContainsFunc(kept, func(k string) bool { return contains(k, path) }) {
			kept = append(kept, path)
		}
	}
	return kept
}

// contains tells whether path is folder or lies in it.
func contains(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
