//go:build unix

package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"holdfast/storage"

	"golang.org/x/sys/unix"
)

// TestPlace runs each way of giving a file its final name, whatever the file
// system under the test supports.
func TestPlace(t *testing.T) {
	s := &Store{}
	ways := map[string]func(temp, dst string) error{
		"rename that replaces nothing": renameNew,
		"link":                         linkNew,
		"look and rename":              s.lookAndRename,
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			temp, dst := filepath.Join(dir, "temp"), filepath.Join(dir, "dst")
			write(t, temp, "first")
			if err := way(temp, dst); errors.Is(err, errors.ErrUnsupported) {
				t.Skip(err)
			} else if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(temp); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the temporary name is still there: %v", err)
			}

			write(t, temp, "second")
			if err := way(temp, dst); !errors.Is(err, fs.ErrExist) && !errors.Is(err, storage.ErrExists) {
				t.Errorf("placing on an existing file = %v, want ErrExist", err)
			}
			if b, err := os.ReadFile(dst); err != nil || string(b) != "first" {
				t.Errorf("the file there holds %q, %v; it must not change", b, err)
			}
			if err := way(temp, filepath.Join(dir, "missing", "dst")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("placing in a missing folder = %v, want ErrNotExist", err)
			}
		})
	}
}

func write(t *testing.T, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWriteError(t *testing.T) {
	tests := []struct {
		errno unix.Errno
		want  error // nil: none of the sentinels
	}{
		{unix.ENOSPC, storage.ErrFull},
		{unix.EDQUOT, storage.ErrFull},
		{unix.EROFS, storage.ErrReadOnly},
		{unix.EACCES, storage.ErrReadOnly},
		{unix.EPERM, storage.ErrReadOnly},
		{unix.EIO, nil},
		{unix.ENOTDIR, nil},
	}
	for _, test := range tests {
		err := writeError(fmt.Errorf("write: %w", &fs.PathError{Op: "write", Path: "x", Err: test.errno}))
		if !errors.Is(err, test.errno) {
			t.Errorf("%v: the cause is lost in %v", test.errno, err)
		}
		for _, sentinel := range []error{storage.ErrFull, storage.ErrReadOnly} {
			if got := errors.Is(err, sentinel); got != (sentinel == test.want) {
				t.Errorf("%v: errors.Is(%v) = %v", test.errno, sentinel, got)
			}
		}
	}
	if writeError(nil) != nil {
		t.Error("writeError(nil) is an error")
	}
}
