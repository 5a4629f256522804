package wal_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
	"holdfast/internal/wal"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
	"holdfast/test/pgcluster"
)

// A helper fetches ahead, never answers by what was so earlier, and uses up
// what a killed one left.
func TestHelp(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		keys, store := newArchiver(t), mem.New()
		archive := keys.open(t, store)
		names := fillSegments(t, c, 6)
		push := func(name string) {
			t.Helper()
			if err := wal.Push(t.Context(), walPath(c, name), wal.PushOptions{Archives: one(archive)}); err != nil {
				t.Fatal(err)
			}
		}
		last := names[len(names)-1]
		for _, name := range names[:len(names)-1] {
			push(name)
		}
		dir := t.TempDir()
		socket := wal.HelperSocket(dir)
		ready := filepath.Join(filesOf(dir), "ready")
		if err := os.MkdirAll(ready, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(ready, names[0]), []byte("cut off"), 0o600); err != nil {
			t.Fatal(err)
		}
		stop := help(t, dir, archive, c)
		defer stop()
		target := filepath.Join(t.TempDir(), "RECOVERYXLOG")
		want := func(name string) {
			t.Helper()
			if err := wal.Collect(t.Context(), socket, name, target); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(target)
			if err != nil {
				t.Fatal(err)
			}
			server, err := os.ReadFile(walPath(c, name))
			if err != nil || !bytes.Equal(got, server) {
				t.Fatalf("%s comes back with other bytes, %v", name, err)
			}
		}
		for _, name := range names[:len(names)-1] {
			want(name)
		}
		if err := wal.Collect(t.Context(), socket, last, target); !errors.Is(err, wal.ErrEnd) {
			t.Fatalf("what is not archived yet gives %v", err)
		}
		push(last)
		want(last)
		want(last)     // once more, as after a crash of the server
		want(names[0]) // and all over again
		want(names[1])
	})
}

// A server takes what lies ready without asking: the helper goes on from there,
// keeps no more than it may, and leaves nothing behind. What is not verified and
// whole never lies there.
func TestHelpTakesNotice(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		archive := newArchiver(t).open(t, mem.New())
		names := fillSegments(t, c, 14)
		for _, name := range names {
			if err := wal.Push(t.Context(), walPath(c, name), wal.PushOptions{Archives: one(archive)}); err != nil {
				t.Fatal(err)
			}
		}
		dir := t.TempDir()
		stop := help(t, dir, archive, c)
		ready := filepath.Join(filesOf(dir), "ready")
		target := filepath.Join(t.TempDir(), "RECOVERYXLOG")
		same := func(name string) {
			t.Helper()
			got, err := os.ReadFile(target)
			if err != nil {
				t.Fatal(err)
			}
			if want, err := os.ReadFile(walPath(c, name)); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s comes back with other bytes, %v", name, err)
			}
		}
		take := func(name string) {
			t.Helper()
			for deadline := time.Now().Add(time.Minute); os.Rename(filepath.Join(ready, name), target) != nil; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%s does not get ready", name)
				}
			}
			same(name)
			lie, err := os.ReadDir(ready)
			if err != nil || len(lie) > 9 { // one may have come that follows the last
				t.Fatalf("%d files lie ready, %v", len(lie), err)
			}
		}
		if err := wal.Collect(t.Context(), wal.HelperSocket(dir), names[0], target); err != nil {
			t.Fatal(err)
		}
		for _, name := range names[1:] {
			take(name)
		}
		// The server was killed, and begins once more: what it took is gone.
		for _, name := range names[2:4] {
			if err := wal.Collect(t.Context(), wal.HelperSocket(dir), name, target); err != nil {
				t.Fatal(err)
			}
			same(name)
		}
		take(names[4])
		stop()
		if left, err := os.ReadDir(filesOf(dir)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%d files are left behind, %v", len(left), err)
		}
	})
}

// filesOf is where the helper of a folder keeps what it fetches.
func filesOf(dir string) string { return filepath.Join(dir, "holdfast") }

// help runs a helper until it is stopped.
func help(t *testing.T, dir string, archive *logarchive.Archive, c *pgcluster.Cluster) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	system, err := wal.SystemOf(c.Data)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		ended <- wal.Helper{Folder: dir, Files: filesOf(dir), Idle: time.Minute, Open: func(context.Context) (wal.FetchOptions, error) {
			return wal.FetchOptions{Archive: archive, Stream: system}, nil
		}}.Help(ctx)
	}()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if err := wal.Collect(ctx, wal.HelperSocket(dir), "00000009.history", filepath.Join(dir, "x")); errors.Is(err, wal.ErrEnd) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the helper does not come up")
		}
	}
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// The log ends only if every archive of it says so, and all could be asked.
func TestEndOnlyIfAllSaySo(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		down := errors.New("store is down")
		keys := newArchiver(t)
		names := fillSegments(t, c, 2)
		full, empty := keys.open(t, mem.New()), keys.open(t, mem.New())
		broken := keys.open(t, fault.New(mem.New(), 1, fault.Rule{Fault: fault.Before(down)}))
		if err := wal.Push(t.Context(), walPath(c, names[0]), wal.PushOptions{Archives: one(full)}); err != nil {
			t.Fatal(err)
		}
		ask := func(name string, unopened error, archives ...*logarchive.Archive) error {
			return wal.Fetch(t.Context(), name, walPath(c, "RECOVERYXLOG"), wal.FetchOptions{Archive: archives[0], Others: archives[1:], Unopened: unopened})
		}
		if err := ask(names[0], nil, empty, broken, full); err != nil {
			t.Errorf("the last one has it, and: %v", err)
		}
		if err := ask(names[1], nil, full, empty); !errors.Is(err, wal.ErrEnd) {
			t.Errorf("all say that the log ends, and: %v", err)
		}
		for _, err := range []error{ask(names[1], nil, empty, broken), ask(names[1], down, empty)} {
			if errors.Is(err, wal.ErrEnd) || !errors.Is(err, down) {
				t.Errorf("one cannot be asked, and: %v", err)
			}
		}
	})
}

// Slices that overlap, as receivers make them that began at different places,
// are put together as far as they reach.
func TestFetchOverlappingSlices(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		archive := newArchiver(t).open(t, mem.New())
		name := fillSegments(t, c, 1)[0]
		content, err := os.ReadFile(walPath(c, name))
		if err != nil {
			t.Fatal(err)
		}
		f, err := postgres.ParseFileName(name)
		if err != nil {
			t.Fatal(err)
		}
		system, err := wal.SystemOf(c.Data)
		if err != nil {
			t.Fatal(err)
		}
		start := logarchive.Position(f.Start(postgres.DefaultSegmentBytes))
		for _, part := range [][2]int{{0, 1000}, {1000, 2000}, {0, 500}, {500, 3000}, {2500, 9000}} {
			ap, err := archive.NewAppender(1)
			if err != nil {
				t.Fatal(err)
			}
			ticket, err := ap.Append(t.Context(), logarchive.Segment{
				Stream: system, Line: 1, Kind: logarchive.Slice, Name: name,
				Start: start + logarchive.Position(part[0]), End: start + logarchive.Position(part[1]),
			}, storage.Bytes(content[part[0]:part[1]]))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ticket.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		got := fetch(t, c, archive, name)
		if !bytes.Equal(got[:9000], content[:9000]) || !bytes.Equal(got[9000:], make([]byte, len(got)-9000)) {
			t.Error("the slices are not put together as far as they reach")
		}
	})
}
