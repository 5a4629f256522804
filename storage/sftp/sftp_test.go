package sftp_test

import (
	"context"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"

	"holdfast/storage"
	"holdfast/storage/sftp"
	"holdfast/storage/storagetest"
	"holdfast/test/servers"
)

// options lead to a fresh folder on the server, with nothing of the user who
// runs the tests.
func options(t testing.TB) sftp.Options {
	t.Helper()
	server := servers.SSH(t)
	return sftp.Options{
		Host: server.Host, Port: server.Port, User: server.User, Path: server.Dir(t),
		KeyFile: server.KeyFile, KnownHostsFile: server.KnownHostsFile, ConfigFile: "none",
	}
}

func open(t testing.TB, o sftp.Options) *sftp.Store {
	t.Helper()
	s, err := sftp.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
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

// leftovers returns all files below dir that are no objects of s.
func leftovers(t testing.TB, s storage.Store, dir string) []string {
	t.Helper()
	objects := list(t, s)
	var files []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
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
		o := options(t)
		s := open(t, o)
		t.Cleanup(func() {
			if files := leftovers(t, s, o.Path); len(files) != 0 {
				t.Errorf("files are left behind: %q", files)
			}
		})
		return s
	})
}

func TestLargeBodyTakesNoMemory(t *testing.T) { storagetest.RunMemory(t, open(t, options(t))) }
