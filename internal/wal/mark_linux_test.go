package wal_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/wal"
	"holdfast/storage"
	"holdfast/storage/mem"
	"holdfast/test/pgcluster"
)

// marked returns the segments that have a mark of pg_wal/archive_status.
func marked(t *testing.T, c *pgcluster.Cluster, suffix string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(walPath(c, "archive_status"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries { // sorted
		if name, ok := strings.CutSuffix(e.Name(), suffix); ok {
			names = append(names, name)
		}
	}
	return names
}

// markingHandOver takes files, and returns what has it take one.
func markingHandOver(t *testing.T, s storage.Store) (push func(path string, mark bool) error, stop func()) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "shop.socket")
	h := handOver(t, socket, wal.PushOptions{Archives: one(newArchiver(t).open(t, s)), Ahead: 16, Uploads: 8})
	push = func(path string, mark bool) error {
		return wal.HandTo(t.Context(), socket, wal.Request{Path: path, Rule: "rule", Mark: mark})
	}
	return push, func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Files that follow and are archived are marked, if that is asked for, up to one
// that is not what it was. The one that is asked for is left to the server.
func TestMark(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		names := fillSegments(t, c, 6)
		push, stop := markingHandOver(t, mem.New())
		defer stop()
		for _, name := range names {
			if err := push(walPath(c, name), false); err != nil {
				t.Fatal(err)
			}
		}
		if done := marked(t, c, ".done"); len(done) > 0 {
			t.Fatalf("nobody asked to have them marked: %v", done)
		}
		changed := len(names) - 2
		content, err := os.ReadFile(walPath(c, names[changed]))
		if err != nil {
			t.Fatal(err)
		}
		content[len(content)-1] ^= 1 // maybe it is read again, and is not what is archived then
		if err := os.WriteFile(walPath(c, names[changed]), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := push(walPath(c, names[0]), true); err != nil {
			t.Fatal(err)
		}
		if done := marked(t, c, ".done"); !slices.Equal(done, names[1:changed]) {
			t.Errorf("marked %v, want %v", done, names[1:changed])
		}
		if left := marked(t, c, ".ready"); !slices.Contains(left, names[0]) || !slices.Contains(left, names[changed]) {
			t.Errorf("only %v still wait", left)
		}
	})
}

// refusing stores nothing with a name.
type refusing struct {
	storage.Store
	name string
	err  error
}

func (r refusing) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	if strings.Contains(key, r.name) {
		return r.err
	}
	return r.Store.Put(ctx, key, body, o)
}

// What cannot be archived is not marked, nor what comes after it: the server asks
// for it, and is told why.
func TestFailureIsNotMarked(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		down := errors.New("store is down")
		names := fillSegments(t, c, 6)
		push, stop := markingHandOver(t, refusing{mem.New(), names[3], down})
		defer stop()
		for _, name := range names[:3] {
			if err := push(walPath(c, name), false); err != nil {
				t.Fatal(err)
			}
		}
		if err := push(walPath(c, names[0]), true); err != nil {
			t.Fatal(err)
		}
		if done := marked(t, c, ".done"); !slices.Equal(done, names[1:3]) {
			t.Errorf("marked %v, want %v", done, names[1:3])
		}
		if err := push(walPath(c, names[3]), true); err == nil || !strings.Contains(err.Error(), down.Error()) {
			t.Errorf("what cannot be archived gives %v", err)
		}
		if done := marked(t, c, ".done"); !slices.Equal(done, names[1:3]) {
			t.Errorf("after a failure %v are marked", done)
		}
	})
}
