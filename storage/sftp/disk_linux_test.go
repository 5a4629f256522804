package sftp_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/sftp"

	"golang.org/x/sys/unix"
)

func mounted(t *testing.T, dir string, bytes int) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a disk that is soon full")
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func TestFullDisk(t *testing.T) {
	o := options(t)
	mounted(t, o.Path, 8<<20)
	s := open(t, o)
	put(t, s, "config", "x")
	err := s.Put(t.Context(), "data/3f/3f9a", storage.Bytes(make([]byte, 9<<20)), storage.PutOptions{})
	if !errors.Is(err, storage.ErrFull) {
		t.Errorf("Put on a full disk = %v, want ErrFull", err)
	}
	if files := leftovers(t, s, o.Path); len(files) != 0 {
		t.Errorf("files are left behind: %q", files)
	}
	put(t, s, "data/3f/3f9a", "there is room for less")
}

func TestReadOnlyDisk(t *testing.T) {
	o := options(t)
	mounted(t, o.Path, 8<<20)
	s := open(t, o)
	put(t, s, "data/3f/3f9a", "x")
	if err := unix.Mount("", o.Path, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"Put":                 s.Put(t.Context(), "data/3f/3f9b", storage.Bytes(nil), storage.PutOptions{}),
		"Put in a new folder": s.Put(t.Context(), "index/1", storage.Bytes(nil), storage.PutOptions{}),
		"Delete":              s.Delete(t.Context(), "data/3f/3f9a"),
	} {
		if !errors.Is(err, storage.ErrReadOnly) {
			t.Errorf("%s on a read-only disk = %v, want ErrReadOnly", name, err)
		}
	}
	if b, err := storage.ReadAll(t.Context(), s, "data/3f/3f9a"); err != nil || string(b) != "x" {
		t.Errorf("Get = %q, %v", b, err)
	}
}

func TestVanishedFolderIsNotAnEmptyStore(t *testing.T) {
	o := options(t)
	s := open(t, o)
	put(t, s, "config", "x")
	if err := os.RemoveAll(o.Path); err != nil {
		t.Fatal(err)
	}
	_, statErr := s.Stat(t.Context(), "config")
	listErr := s.List(t.Context(), "data/", func(storage.Info) error { return nil })
	deleteErr := s.Delete(t.Context(), "config")
	for name, err := range map[string]error{"Stat": statErr, "List": listErr, "Delete": deleteErr} {
		if err == nil || errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%s in a vanished folder = %v, want an error other than ErrNotFound", name, err)
		}
	}
	if err := s.Put(t.Context(), "data/3f/3f9a", storage.Bytes(nil), storage.PutOptions{}); err == nil {
		t.Error("Put in a vanished folder = nil; it must not go to the disk below")
	}
	if _, err := os.Stat(o.Path); err == nil {
		t.Error("Put made the vanished folder anew")
	}
	if _, err := sftp.Open(t.Context(), o); !errors.Is(err, storage.ErrNotFound) || !strings.Contains(err.Error(), "mount") {
		t.Errorf("Open of a missing folder = %v, want ErrNotFound with a hint", err)
	}
}

func TestPutAfterFolderWasRemoved(t *testing.T) {
	o := options(t)
	s := open(t, o)
	put(t, s, "data/3f/3f9a", "x")
	if err := os.RemoveAll(filepath.Join(o.Path, "data")); err != nil {
		t.Fatal(err)
	}
	put(t, s, "data/3f/3f9a", "y")
}

func TestModes(t *testing.T) {
	for config, want := range map[fs.FileMode]struct{ file, dir fs.FileMode }{
		0o400: {0o600, 0o700},
		0o440: {0o640, 0o750}, // restic's sign that the group may read
	} {
		o := options(t)
		o.Path = filepath.Join(o.Path, "made", "here")
		s, err := sftp.Create(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if err := os.WriteFile(filepath.Join(o.Path, "config"), nil, config); err != nil {
			t.Fatal(err)
		}
		put(t, open(t, o), "data/3f/3f9a", "x")
		for name, want := range map[string]fs.FileMode{"": 0o700, "data": want.dir, "data/3f": want.dir, "data/3f/3f9a": want.file} {
			info, err := os.Stat(filepath.Join(o.Path, name))
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode().Perm(); got != want {
				t.Errorf("with a config of mode %o, %q has mode %o, want %o", config, name, got, want)
			}
		}
	}
}

func TestCleanRemovesOldLeftovers(t *testing.T) {
	o := options(t)
	s := open(t, o)
	hash := strings.Repeat("3f", 32)
	put(t, s, "data/3f/"+hash, "an object")
	put(t, s, "index/1", "another")
	old := time.Now().Add(-25 * time.Hour)
	leave := func(name string, modified time.Time) {
		path := filepath.Join(o.Path, name)
		if err := os.WriteFile(path, nil, 0o400); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	leave("data/3f/.holdfast-tmp-old", old)
	leave("data/3f/"+hash+"-restic-temp-00112233445566778899aabbccddeeff", old)
	leave("data/3f/.holdfast-tmp-new", time.Now())
	if err := os.Chtimes(filepath.Join(o.Path, "index/1"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := s.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := leftovers(t, s, o.Path); len(got) != 1 || filepath.Base(got[0]) != ".holdfast-tmp-new" {
		t.Errorf("after Clean there are %q, want only the new one", got)
	}
	if got := list(t, s); len(got) != 2 {
		t.Errorf("Clean touched objects: %q are left", got)
	}
}

func TestListFollowsLinksAtTheTopOnly(t *testing.T) {
	o := options(t)
	s := open(t, o)
	put(t, s, "index/1", "x")
	elsewhere := t.TempDir()
	if err := os.WriteFile(filepath.Join(elsewhere, "3f9a"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"data": elsewhere, "index/deeper": elsewhere, "index/circle": "..", "index/dangling": "nothing"} {
		if err := os.Symlink(target, filepath.Join(o.Path, link)); err != nil {
			t.Fatal(err)
		}
	}
	if got := list(t, s); len(got) != 2 || got[0] != "data/3f9a" || got[1] != "index/1" {
		t.Errorf("List = %q, want data/3f9a and index/1", got)
	}
}
