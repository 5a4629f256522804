//go:build unix

package local_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"holdfast/storage"
	"holdfast/storage/local"
)

func TestReadOnlyFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("no mode keeps root from writing")
	}
	s := create(t)
	put(t, s, "data/3f/3f9a", "x")
	setModes(t, s, 0o500)
	t.Cleanup(func() { setModes(t, s, 0o700) })

	s, err := local.Open(s.Location()) // a process that only reads
	if err != nil {
		t.Fatal(err)
	}
	_, spoolErr := s.NewSpool()
	_, createErr := local.Create(filepath.Join(s.Location(), "below"))
	for name, err := range map[string]error{
		"Put":                 s.Put(t.Context(), "data/3f/3f9b", storage.Bytes(nil), storage.PutOptions{}),
		"Put in a new folder": s.Put(t.Context(), "index/1", storage.Bytes(nil), storage.PutOptions{}),
		"Delete":              s.Delete(t.Context(), "data/3f/3f9a"),
		"NewSpool":            spoolErr,
		"Create":              createErr,
	} {
		if !errors.Is(err, storage.ErrReadOnly) {
			t.Errorf("%s in a read-only folder = %v, want ErrReadOnly", name, err)
		}
	}
	if b, err := storage.ReadAll(t.Context(), s, "data/3f/3f9a"); err != nil || string(b) != "x" {
		t.Errorf("Get in a read-only folder = %q, %v", b, err)
	}
	if err := s.Clean(t.Context()); err != nil {
		t.Errorf("Clean with nothing to do in a read-only folder: %v", err)
	}
}

// setModes gives all folders of the store the mode.
func setModes(t *testing.T, s *local.Store, mode fs.FileMode) {
	t.Helper()
	for _, dir := range []string{"", "data", "data/3f"} {
		if err := os.Chmod(filepath.Join(s.Location(), dir), mode); err != nil {
			t.Fatal(err)
		}
	}
}
