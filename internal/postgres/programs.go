package postgres

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// VersionOf returns the major version of a data directory.
func VersionOf(data string) (int, error) {
	content, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if err != nil {
		return 0, fmt.Errorf("find the version of the cluster: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0, fmt.Errorf("PG_VERSION of %s says %q", data, content)
	}
	return n, nil
}

// Programs returns the folder of the server programs of a major version: the
// one given, or where packages of the common systems put it, or that of the
// postgres in PATH if it has the version.
func Programs(major int, given string) (string, error) {
	var places []string
	if given != "" {
		places = []string{given}
	} else {
		places = packagePlaces(major)
		if path, err := exec.LookPath("postgres"); err == nil {
			places = append(places, filepath.Dir(path))
		}
	}
	for _, place := range places {
		if programVersion(filepath.Join(place, "postgres")) == major {
			return place, nil
		}
	}
	return "", fmt.Errorf("the programs of PostgreSQL %d are not here (looked in %s); install them, or name their folder with --bin-dir",
		major, strings.Join(places, ", "))
}

// packagePlaces is where packages of the common systems put the programs of a
// major version.
func packagePlaces(major int) []string {
	return []string{
		fmt.Sprintf("/usr/lib/postgresql/%d/bin", major), // Debian, Ubuntu
		fmt.Sprintf("/usr/pgsql-%d/bin", major),          // Red Hat
		fmt.Sprintf("/usr/lib/postgresql%d/bin", major),  // SUSE
		fmt.Sprintf("/usr/libexec/postgresql%d", major),  // Alpine
		fmt.Sprintf("/usr/local/opt/postgresql@%d/bin", major),
		fmt.Sprintf("/opt/homebrew/opt/postgresql@%d/bin", major),
	}
}

// programVersion asks a program for its major version; 0 if there is
// none.
func programVersion(program string) int {
	out, err := exec.Command(program, "--version").Output()
	if err != nil {
		return 0
	}
	_, version, _ := strings.Cut(string(out), ") ")
	digits := strings.TrimSpace(version)
	if end := strings.IndexFunc(digits, func(c rune) bool { return c < '0' || c > '9' }); end > 0 {
		digits = digits[:end]
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}
