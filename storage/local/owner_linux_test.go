package local

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"holdfast/storage"
)

// What root puts into somebody's folder is theirs: a service that runs as that
// user puts objects beside it, and removes it.
func TestRootPutsForTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can hand files on")
	}
	const user = 12345
	root := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Chown(root, user, user))
	s, err := Open(root)
	must(err)
	must(s.Put(t.Context(), "data/3f/3f9a", storage.Bytes([]byte("object")), storage.PutOptions{}))
	spool, err := s.NewSpool()
	must(err)
	_, err = spool.Write([]byte("spooled"))
	must(err)
	must(s.Put(t.Context(), "data/40/40aa", spool, storage.PutOptions{}))
	must(spool.Discard())
	for _, name := range []string{"data", "data/3f", "data/3f/3f9a", "data/40/40aa", "holdfast/tmp"} {
		info, err := os.Stat(filepath.Join(root, name))
		must(err)
		if got := info.Sys().(*syscall.Stat_t); got.Uid != user || got.Gid != user {
			t.Errorf("%s belongs to %d:%d", name, got.Uid, got.Gid)
		}
	}
}
