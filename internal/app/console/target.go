package console

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"holdfast/internal/api"
)

// chooseTarget decides where a restore writes to, notes it in the request, and
// finds out what is there. It returns why the service does not do it, "" if it
// does.
func (c *Console) chooseTarget(q *api.RestoreRequest, r *recovery, p *api.RestorePlan) (at place, refused string, err error) {
	dirs := c.restoreDirs()
	if q.Target == "" {
		q.Target = freeName(filepath.Join(dirs[0], nameOf(r)))
	}
	if !filepath.IsAbs(q.Target) || strings.ContainsRune(q.Target, 0) {
		return at, "", fmt.Errorf("%w: write the whole path of the target, from / on", api.ErrInvalid)
	}
	q.Target = filepath.Clean(q.Target)
	p.Target = q.Target
	at, ok := below(q.Target, dirs)
	if !ok {
		return at, "the service restores only below " + strings.Join(dirs, ", ") + " (service.restore_dirs of holdfast.yaml)", nil
	}
	if why := c.inUse(at.target); why != "" {
		return at, why, nil
	}
	if mount := privateTemp(at.target); mount != "" {
		return at, "the service has a " + mount + " of its own, in which nobody else would find what is restored; `holdfast service install --now` gives it that of everybody", nil
	}
	there, err := existing(q.Target)
	if err != nil {
		return at, err.Error(), nil //nolint:nilerr // it is why
	}
	if info, err := os.Stat(there); err != nil || !info.IsDir() {
		// Not opened to find out: a pipe would wait for somebody to write to it.
		return at, there + " is no folder", nil //nolint:nilerr // it is why
	}
	if err := writable(there); err != nil {
		return at, fmt.Sprintf("the service cannot write to %s: %v", there, err), nil
	}
	if p.FreeBytes, err = freeBytes(there); err != nil {
		return at, "it is not known how much space is free: " + err.Error(), nil //nolint:nilerr // it is why
	}
	inside, err := entries(q.Target)
	if err != nil {
		return at, err.Error(), nil //nolint:nilerr // it is why
	}
	switch {
	case inside > 0 && r.database:
		return at, "a database is restored into an empty folder, and there are files in " + q.Target, nil
	case inside == 0 && p.Bytes > p.FreeBytes:
		return at, fmt.Sprintf("there is too little space: it takes %d bytes, and %d are free below %s", p.Bytes, p.FreeBytes, there), nil
	}
	return at, "", nil
}

// nameOf is what the folder of a restore is called.
func nameOf(r *recovery) string {
	parts := []string{r.plan, r.source, r.time.UTC().Format("20060102-150405")}
	if r.plan == "" {
		parts = []string{r.snapshot.ID[:min(8, len(r.snapshot.ID))]}
	}
	if r.time.IsZero() {
		parts[len(parts)-1] = time.Now().UTC().Format("20060102")
	}
	return strings.Map(func(c rune) rune {
		if c == '/' || c < ' ' {
			return '_'
		}
		return c
	}, strings.Join(parts, "-"))
}

// freeName is a path, or the first of path-2, path-3 ..., at which there is
// nothing.
func freeName(path string) string {
	name := path
	for n := 2; n < 1000; n++ {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			break
		}
		name = fmt.Sprintf("%s-%d", path, n)
	}
	return name
}

// place is where a restore writes, without symlinks as things were when that was
// looked at: in a folder for restores. The process that restores goes there
// from that folder over no symlink, whatever is put in between meanwhile.
type place struct{ target, below string }

// below returns where a path lies if that is in one of some folders, also if
// what exists of it is reached through symlinks.
func below(path string, dirs []string) (p place, ok bool) {
	for _, dir := range dirs {
		dir = filepath.Clean(dir)
		if !isIn(path, dir) {
			continue
		}
		real, err := resolved(path)
		if err != nil {
			return place{}, false
		}
		if root, err := resolved(dir); err == nil && isIn(real, root) {
			return place{real, root}, true
		}
	}
	return place{}, false
}

func isIn(path, dir string) bool {
	rest, err := filepath.Rel(dir, path)
	return err == nil && rest != "." && rest != ".." && !strings.HasPrefix(rest, ".."+string(filepath.Separator))
}

// resolved is a path without symlinks, as far as it exists.
func resolved(path string) (string, error) {
	there, err := existing(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(there)
	if err != nil {
		return "", err
	}
	return filepath.Join(real, strings.TrimPrefix(path, there)), nil
}

// existing is a path, or the nearest folder above it that exists.
func existing(path string) (string, error) {
	for {
		_, err := os.Lstat(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
			return "", fmt.Errorf("look at the target: %w", err)
		}
		path = filepath.Dir(path)
	}
}

// inUse tells whether a target without symlinks is, holds or lies in what
// holdfast itself works with.
func (c *Console) inUse(target string) string {
	for _, r := range reliedOn(c.o.Config(), Own{c.o.ConfigPath, c.o.StateDir, c.o.CacheDir}) {
		if r.hit(target) {
			return r.String()
		}
	}
	return ""
}

func overlap(a, b string) bool { return a == b || isIn(a, b) || isIn(b, a) }

// realPath is a path without symlinks as far as it exists, and as it is where
// that cannot be found out.
func realPath(path string) string {
	path = filepath.Clean(path)
	if real, err := resolved(path); err == nil {
		return real
	}
	return path
}

// entries counts what is in a folder, as far as one; 0 if it is not there.
func entries(path string) (int, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look at the target: %w", err)
	}
	defer f.Close() //nolint:errcheck // it is only read
	names, err := f.Readdirnames(1)
	if len(names) == 0 && err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("look at the target: %w", err)
	}
	return len(names), nil
}

// makeRestores makes a folder for restores. What lies below it the restore
// itself makes.
func makeRestores(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return &api.HereError{Why: fmt.Sprintf("the service cannot write to %s: %v", dir, err)}
	}
	return nil
}
