package unit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Host is the system that units are installed in.
type Host struct {
	// Root is the folder with the system, "" for this one. Nothing is started
	// in another.
	Root string
	// Personal means a user's own systemd.
	Personal bool
	// ConfigHome is the user's folder for configuration, for Personal.
	ConfigHome string
}

// ErrNoSystemd says that there is no systemd here.
var ErrNoSystemd = errors.New("this system has no systemd: have something else run `holdfast serve`, such as cron with `holdfast serve --once`")

// path returns where a path of the host is.
func (h *Host) path(path string) string { return filepath.Join(h.Root, path) }

// folder is where units of the administrator, or of the user, are.
func (h *Host) folder() string {
	if h.Personal {
		return filepath.Join(h.ConfigHome, "systemd", "user")
	}
	return h.path("/etc/systemd/system")
}

// UnitPath is where the unit is installed.
func (h *Host) UnitPath() string { return filepath.Join(h.folder(), Name) }

// DropInPath is where what differs from a packaged unit is installed.
func (h *Host) DropInPath() string {
	return filepath.Join(h.folder(), Name+".d", "10-holdfast.conf")
}

// packaged returns the unit of a package, "" without one.
func (h *Host) packaged() string {
	if h.Personal {
		return ""
	}
	for _, dir := range [...]string{"/usr/lib/systemd/system", "/lib/systemd/system"} {
		if path := filepath.Join(h.path(dir), Name); exists(path) {
			return path
		}
	}
	return ""
}

// Runs tells whether systemd runs here, so that units can be started.
func (h *Host) Runs() bool { return h.Root == "" && exists("/run/systemd/system") }

// starter is what a unit is started with.
func (h *Host) starter() string {
	if h.Personal {
		return "your session"
	}
	return "the system"
}

// systemctl calls the program of that name.
func (h *Host) systemctl(ctx context.Context, args ...string) (string, error) {
	switch {
	case h.Personal:
		args = append([]string{"--user"}, args...)
	case h.Root != "":
		args = append([]string{"--root=" + h.Root}, args...)
	}
	return run(ctx, "systemctl", args...)
}

// run runs a program of the system and returns what it printed.
func run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound) && program == "systemctl":
		return "", ErrNoSystemd
	case err != nil:
		return out.String(), fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return out.String(), nil
}

// ids are the numbers of a user and its group.
type ids struct{ uid, gid int }

// lookup finds a user in the host's own list; users of a directory are asked
// for on a system that runs.
func (h *Host) lookup(ctx context.Context, name string) (ids, bool, error) {
	line, err := h.passwd(ctx, name)
	if err != nil || line == "" {
		return ids{}, false, err
	}
	var found ids
	fields := strings.Split(strings.TrimSpace(line), ":")
	if len(fields) < 4 {
		return ids{}, false, fmt.Errorf("look for user %s: %q is no line of a list of users", name, line)
	}
	if _, err := fmt.Sscan(fields[2]+" "+fields[3], &found.uid, &found.gid); err != nil {
		return ids{}, false, fmt.Errorf("look for user %s: %w", name, err)
	}
	return found, true, nil
}

func (h *Host) passwd(ctx context.Context, name string) (string, error) {
	data, err := os.ReadFile(h.path("/etc/passwd"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("look for user %s: %w", name, err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, name+":") {
			return line, nil
		}
	}
	if h.Root != "" {
		return "", nil
	}
	line, err := run(ctx, "getent", "passwd", name)
	if code := new(exec.ExitError); errors.As(err, &code) && code.ExitCode() == 2 || errors.Is(err, exec.ErrNotFound) {
		return "", nil // no such user
	}
	return line, err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// content returns the content of a file, "" for none.
func content(path string) (string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(data), err
}

// put writes a file so that it is there as a whole or not at all.
func put(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // systemd and people read units
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // not there after the rename
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
