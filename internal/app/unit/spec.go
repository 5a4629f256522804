package unit

import (
	"path/filepath"
	"slices"

	"holdfast/internal/config"
)

const (
	// Name is what the unit is called.
	Name = "holdfast.service"
	// DefaultUser is the user that the service runs as, and its group.
	DefaultUser = "holdfast"
	// DefaultStateDir is where the state of a whole machine is; see
	// service.FindStateDir.
	DefaultStateDir = "/var/lib/holdfast"
	// superuser may do everything, and restores files with their owners.
	superuser = "root"
)

// Spec is what a unit is made for. All paths are absolute.
type Spec struct {
	// Program is the program that is run, Config its holdfast.yaml, StateDir
	// where it keeps its state.
	Program, Config, StateDir string
	// User and Group are who it runs as. User root has a looser unit, since
	// tests of restores then make namespaces of their own.
	User, Group string
	// WritePaths are what it may write to besides its state, its cache and what
	// holdfast.yaml says. They are remembered in the unit.
	WritePaths []string
	// folders are what holdfast.yaml says that it writes to.
	folders []string
	// ReadOnlyConfig keeps it from changing the folder of holdfast.yaml: the
	// dashboard can then add no plans.
	ReadOnlyConfig bool
	// SharedTemp gives it the /tmp and /var/tmp of everybody, for plans that
	// back up or write something there.
	SharedTemp bool
	// Personal is a unit of a user's own systemd, which may do what the user
	// may.
	Personal bool
}

// Packaged is what the unit in the Debian package is made for.
func Packaged() Spec {
	return Spec{
		Program: "/usr/bin/holdfast", Config: config.SystemPath, StateDir: DefaultStateDir,
		User: DefaultUser, Group: DefaultUser,
	}
}

// writable returns the folders that the service may write to, each once, and
// none that is below another.
func (s *Spec) writable() []string {
	all := slices.Concat(s.WritePaths, s.folders)
	if !s.ReadOnlyConfig {
		all = append(all, filepath.Dir(s.Config))
	}
	if s.StateDir != DefaultStateDir {
		all = append(all, s.StateDir)
	}
	return outermost(all)
}

// outermost sorts paths and leaves out those below others.
func outermost(paths []string) []string {
	var kept []string
	for _, path := range slices.Compact(slices.Sorted(slices.Values(paths))) {
		if !slices.ContainsFunc(kept, func(k string) bool { return below(k, path) }) {
			kept = append(kept, path)
		}
	}
	return kept
}

// below tells whether a path is a folder or something in it.
func below(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rel)
}
