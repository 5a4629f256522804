package local_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/local"
	"holdfast/storage/storagetest"
)

func create(t testing.TB) *local.Store {
	t.Helper()
	s, err := local.Create(filepath.Join(t.TempDir(), "repository"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s storage.Store, key, data string) {
	t.Helper()
	if err := s.Put(t.Context(), key, storage.Bytes([]byte(data)), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func list(t testing.TB, s storage.Store) []string {
	t.Helper()
	var keys []string
	// Not t.Context(): it has ended when this runs in a Cleanup.
	err := s.List(context.Background(), "", func(info storage.Info) error {
		keys = append(keys, info.Key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

// leftovers returns all files below the store that are no objects.
func leftovers(t testing.TB, s *local.Store) []string {
	t.Helper()
	objects := list(t, s)
	var files []string
	err := filepath.WalkDir(s.Location(), func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(s.Location(), path)
		if err == nil && e.Type().IsRegular() && !slices.Contains(objects, filepath.ToSlash(rel)) {
			files = append(files, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestContract(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		s := create(t)
		t.Cleanup(func() {
			if files := leftovers(t, s); len(files) != 0 {
				t.Errorf("files are left behind: %q", files)
			}
		})
		return s
	})
}

func TestOpenMissingFolder(t *testing.T) {
	_, err := local.Open(filepath.Join(t.TempDir(), "nothing"))
	if !errors.Is(err, storage.ErrNotFound) || !strings.Contains(err.Error(), "mount") {
		t.Errorf("Open of a missing folder = %v, want ErrNotFound with a hint", err)
	}
}

func TestFileWhereFolderShouldBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, openErr := local.Open(file)
	_, createErr := local.Create(file)
	_, openBelowErr := local.Open(filepath.Join(file, "below"))
	_, belowErr := local.Create(filepath.Join(file, "below"))
	for name, err := range map[string]error{"Open": openErr, "Open below": openBelowErr, "Create": createErr, "Create below": belowErr} {
		if !errors.Is(err, syscall.ENOTDIR) || !strings.Contains(err.Error(), "file is in the way") {
			t.Errorf("%s = %v, want ENOTDIR with a hint", name, err)
		}
	}

	s := create(t)
	put(t, s, "data", "a file of that name")
	err := s.Put(t.Context(), "data/3f/3f9a", storage.Bytes(nil), storage.PutOptions{})
	if err == nil || !strings.Contains(err.Error(), "a file is where a folder should be") {
		t.Errorf("Put below a file = %v, want it said", err)
	}
}

func TestVanishedFolderIsNotAnEmptyStore(t *testing.T) {
	s := create(t)
	put(t, s, "config", "x")
	if err := os.RemoveAll(s.Location()); err != nil {
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
	if _, err := os.Stat(s.Location()); err == nil {
		t.Error("Put made the vanished folder anew")
	}
}

func TestDeleteOfNothing(t *testing.T) {
	if err := create(t).Delete(t.Context(), "config"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Delete of nothing = %v, want ErrNotFound", err)
	}
}

func TestPutAfterFolderWasRemoved(t *testing.T) {
	s := create(t)
	put(t, s, "data/3f/3f9a", "x")
	if err := os.RemoveAll(filepath.Join(s.Location(), "data")); err != nil {
		t.Fatal(err)
	}
	put(t, s, "data/3f/3f9a", "y")
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	tests := []struct {
		name              string
		config, file, dir fs.FileMode // config 0: there is none
	}{
		{"new", 0, 0o600, 0o700},
		{"made by restic", 0o400, 0o600, 0o700},
		{"made by restic for a group", 0o440, 0o640, 0o750},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := create(t).Location()
			if test.config != 0 {
				if err := os.WriteFile(filepath.Join(dir, "config"), nil, test.config); err != nil {
					t.Fatal(err)
				}
			}
			s, err := local.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			put(t, s, "data/3f/3f9a", "x")
			sp, err := s.NewSpool()
			if err != nil {
				t.Fatal(err)
			}
			defer sp.Discard()
			if err := s.Put(t.Context(), "data/3f/3f9b", sp, storage.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]fs.FileMode{
				"data/3f/3f9a": test.file, "data/3f/3f9b": test.file,
				"data": test.dir, "data/3f": test.dir, "holdfast/tmp": test.dir,
			} {
				info, err := os.Stat(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				if got := info.Mode().Perm(); got != want {
					t.Errorf("%s has mode %o, want %o", name, got, want)
				}
			}
		})
	}
}

func TestRepositoryMadeByRestic(t *testing.T) {
	s := create(t)
	hash := strings.Repeat("3f", 32)
	files := []string{"config", "data/3f/" + hash, "index/" + hash, "keys/" + hash, "locks/" + hash, "snapshots/" + hash}
	for _, name := range append(files, "data/3f/"+hash+"-tmp-12345") {
		path := filepath.Join(s.Location(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("written by restic"), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	if got := list(t, s); !slices.Equal(got, files) {
		t.Errorf("List = %q, want %q", got, files)
	}
	for _, key := range files {
		if b, err := storage.ReadAll(t.Context(), s, key); err != nil || string(b) != "written by restic" {
			t.Errorf("Get(%s) = %q, %v", key, b, err)
		}
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete(%s): %v", key, err)
		}
	}
}

func TestNamesOfTemporaryFilesAreNoKeys(t *testing.T) {
	s := create(t)
	for _, key := range []string{".holdfast-tmp-1", "data/3f/.holdfast-tmp-1", "config-tmp-1"} {
		if err := s.Put(t.Context(), key, storage.Bytes(nil), storage.PutOptions{}); !errors.Is(err, storage.ErrInvalidKey) {
			t.Errorf("Put(%q) = %v, want ErrInvalidKey", key, err)
		}
	}
	put(t, s, "notes-tmp-1", "looks like one, but is a key")
	if got := list(t, s); len(got) != 1 {
		t.Errorf("List = %q", got)
	}
}

func TestListSkipsWhatIsNoObject(t *testing.T) {
	s := create(t)
	put(t, s, "index/1", "x")
	elsewhere := t.TempDir()
	if err := os.WriteFile(filepath.Join(elsewhere, "3f9a"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"data":           elsewhere, // at the top: followed
		"index/deeper":   elsewhere, // further down: not followed
		"index/circle":   "..",
		"index/dangling": "nothing",
	} {
		if err := os.Symlink(target, filepath.Join(s.Location(), link)); err != nil {
			t.Skip(err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.Location(), "index", "new\nline"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := list(t, s), []string{"data/3f9a", "index/1"}; !slices.Equal(got, want) {
		t.Errorf("List = %q, want %q", got, want)
	}
}

func TestCleanRemovesOldLeftovers(t *testing.T) {
	s := create(t)
	hash := strings.Repeat("3f", 32)
	put(t, s, "data/3f/"+hash, "an object")
	old := time.Now().Add(-25 * time.Hour)
	write := func(name string, modified time.Time) {
		path := filepath.Join(s.Location(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o400); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	write("holdfast/tmp/.holdfast-tmp-old", old)
	write("data/3f/.holdfast-tmp-old", old)
	write("data/3f/"+hash+"-tmp-123", old)
	write("holdfast/tmp/.holdfast-tmp-new", time.Now())
	write("index/1", old)

	if err := s.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := leftovers(t, s), []string{filepath.Join("holdfast", "tmp", ".holdfast-tmp-new")}; !slices.Equal(got, want) {
		t.Errorf("after Clean there are %q, want %q", got, want)
	}
	if got := list(t, s); len(got) != 2 {
		t.Errorf("Clean touched objects: %q are left", got)
	}
}

func TestSpoolIsMovedNotCopied(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("open files keep their names")
	}
	s := create(t)
	sp, err := s.NewSpool()
	if err != nil {
		t.Fatal(err)
	}
	sp.Write([]byte("content"))
	temp := filepath.Join(s.Location(), leftovers(t, s)[0])
	before, err := os.Stat(temp)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "data/3f/3f9a", sp, storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(filepath.Join(s.Location(), "data", "3f", "3f9a"))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("the object is another file than the spool")
	}

	// A wrapper that lost the answer puts again, under this key or another.
	if err := s.Put(t.Context(), "data/3f/3f9a", sp, storage.PutOptions{}); !errors.Is(err, storage.ErrExists) {
		t.Errorf("second Put of a spool = %v, want ErrExists", err)
	}
	if err := s.Put(t.Context(), "data/3f/3f9b", sp, storage.PutOptions{}); err != nil {
		t.Errorf("Put of a moved spool under another key: %v", err)
	}
	if b, err := storage.ReadAll(t.Context(), s, "data/3f/3f9b"); err != nil || string(b) != "content" {
		t.Errorf("Get = %q, %v", b, err)
	}
	if _, err := sp.Write([]byte("more")); err == nil {
		t.Error("Write to a spool that became an object = nil, want an error")
	}
	if err := sp.Discard(); err != nil {
		t.Error(err)
	}
	if got := leftovers(t, s); len(got) != 0 {
		t.Errorf("files are left behind: %q", got)
	}
}

func TestPutAcrossDevices(t *testing.T) {
	other, err := os.MkdirTemp("/dev/shm", "holdfast-test-")
	if err != nil {
		t.Skip("no second device to test with")
	}
	defer os.RemoveAll(other)
	s := create(t)
	if err := os.Symlink(other, filepath.Join(s.Location(), "data")); err != nil {
		t.Fatal(err)
	}
	sp, err := s.NewSpool()
	if err != nil {
		t.Fatal(err)
	}
	sp.Write([]byte("content"))
	if err := s.Put(t.Context(), "data/3f/3f9a", sp, storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := sp.Discard(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(other, "3f", "3f9a")); err != nil || string(b) != "content" {
		t.Errorf("on the other device: %q, %v", b, err)
	}
	if got := leftovers(t, s); len(got) != 0 {
		t.Errorf("files are left behind: %q", got)
	}
}
