package wal_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast/internal/wal"
)

// A helper leaves no folder behind, and removes what killed ones have left: only
// what is old, and held by nobody.
func TestHelperFolders(t *testing.T) {
	base := t.TempDir()
	folder := func(name string, age time.Duration) string {
		path := filepath.Join(base, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "lock"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		return path
	}
	other, young, killed := folder("other", 2*time.Hour), folder("ahead-young", time.Minute), folder("ahead-killed", 2*time.Hour)
	foreign := folder("ahead-of-somebody-else", 2*time.Hour)
	working, own := folder("ahead-working", 2*time.Hour), folder("ahead-own", 2*time.Hour)
	closed := errors.New("no archive")
	began, end := make(chan struct{}), make(chan struct{})
	result := make(chan error, 1)
	go func() {
		result <- wal.Helper{Folder: working, Open: func(context.Context) (wal.FetchOptions, error) {
			close(began)
			<-end
			return wal.FetchOptions{}, closed
		}}.Help(t.Context())
	}()
	<-began
	h := wal.Helper{
		Folder: own, Pattern: filepath.Join(base, "ahead-*"), IsOwn: func(folder string) bool { return folder != foreign },
		Open: func(context.Context) (wal.FetchOptions, error) { return wal.FetchOptions{}, closed },
	}
	if err := h.Help(t.Context()); !errors.Is(err, closed) {
		t.Fatal(err)
	}
	for path, stays := range map[string]bool{other: true, foreign: true, young: true, killed: false, working: true, own: false} {
		if _, err := os.Stat(path); (err == nil) != stays {
			t.Errorf("%s: %v, stays %v", filepath.Base(path), err, stays)
		}
	}
	close(end)
	if err := <-result; !errors.Is(err, closed) {
		t.Fatal(err)
	}
	if _, err := os.Stat(working); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its own folder is left behind: %v", err)
	}
}
