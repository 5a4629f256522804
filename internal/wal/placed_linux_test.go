package wal_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/internal/wal"
	"holdfast/storage/mem"
	"holdfast/test/pgcluster"
)

// recovering stands in for a server that recovers: its data directory, and what
// its restore_command finds.
type recovering struct {
	t       *testing.T
	data    string
	archive *logarchive.Archive
	c       *pgcluster.Cluster
	// asked counts how often the program would have been run.
	asked int
}

func newRecovering(t *testing.T, c *pgcluster.Cluster, archive *logarchive.Archive) *recovering {
	t.Helper()
	s := &recovering{t: t, data: t.TempDir(), archive: archive, c: c}
	if err := os.MkdirAll(s.log("archive_status"), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *recovering) log(name string) string { return filepath.Join(s.data, "pg_wal", name) }

// folder is the helper's; ready is where it has what the server looks for.
func (s *recovering) folder() string { return s.log("holdfast") }

const taker = "123.456"

// help runs a helper until it is stopped.
func (s *recovering) help() (stop func()) {
	s.t.Helper()
	system, err := wal.SystemOf(s.c.Data)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- wal.Helper{
			Folder: s.data, Files: s.folder(), Taker: taker, WAL: s.log(""), Idle: time.Minute,
			Open: func(context.Context) (wal.FetchOptions, error) {
				return wal.FetchOptions{Archive: s.archive, Stream: system}, nil
			},
		}.Help(ctx)
	}()
	s.wait("the helper", func() bool {
		return errors.Is(wal.Collect(ctx, wal.HelperSocket(s.data), "00000009.history", s.log("x")), wal.ErrEnd)
	})
	return func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	}
}

func (s *recovering) wait(what string, until func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !until(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s does not come", what)
		}
	}
}

// looks runs what the restore_command does first, and tells whether it leaves a
// segment to be read where it lies.
func (s *recovering) looks(name string) bool {
	s.t.Helper()
	// As PostgreSQL puts the name in.
	line := string(bytes.ReplaceAll([]byte(wal.Look("pg_wal/holdfast", "pg_wal/holdfast/ready/"+taker)+"; exit 99"), []byte("%f"), []byte(name)))
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir = s.data
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || len(out) > 0 || exit.ExitCode() != 1 && exit.ExitCode() != 99 {
		s.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return exit.ExitCode() == 1
}

// replay does what a server does to get a segment, and makes sure of what it gets.
func (s *recovering) replay(name string) {
	s.t.Helper()
	if !s.looks(name) {
		s.asked++
		to := s.log("RECOVERYXLOG")
		if err := wal.Collect(s.t.Context(), wal.HelperSocket(s.data), name, to); err != nil {
			s.t.Fatal(err)
		}
		os.Remove(s.log(name)) //nolint:errcheck // as the server does
		if err := os.Rename(to, s.log(name)); err != nil {
			s.t.Fatal(err)
		}
	}
	s.holds(name)
}

// holds makes sure that pg_wal has a segment as it was archived.
func (s *recovering) holds(name string) {
	s.t.Helper()
	got, err := os.ReadFile(s.log(name))
	if err != nil {
		s.t.Fatal(err)
	}
	if want, err := os.ReadFile(walPath(s.c, name)); err != nil || !bytes.Equal(got, want) {
		s.t.Fatalf("%s has other bytes, %v", name, err)
	}
}

func (s *recovering) has(name string) bool {
	_, err := os.Lstat(s.log(name))
	return err == nil
}

// archived makes segments and archives them.
func archived(t *testing.T, c *pgcluster.Cluster, n int) (*logarchive.Archive, []string) {
	t.Helper()
	archive := newArchiver(t).open(t, mem.New())
	names := fillSegments(t, c, n)
	for _, name := range names {
		if err := wal.Push(t.Context(), walPath(c, name), wal.PushOptions{Archives: one(archive)}); err != nil {
			t.Fatal(err)
		}
	}
	return archive, names
}

// A server reads in its pg_wal what was put there for it, verified and whole,
// and nothing else that lies there under the name. What it did not read goes when
// the helper does.
func TestReadInPlace(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		archive, names := archived(t, c, 20)
		s := newRecovering(t, c, archive)
		// Of a backup, or of a recovery before; and a helper that was killed.
		old := s.log("holdfast/ready/99.99/" + names[2])
		for _, path := range []string{s.log(names[1]), s.log(names[2]), old} {
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("other log"), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(s.log("archive_status/"+names[3]+".ready"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, name := range names[1:3] {
			if s.looks(name) {
				t.Fatalf("%s would be read though nobody has verified it", name)
			}
		}
		stop := s.help()
		s.replay(names[0])
		for k, name := range names[1:10] {
			s.wait(name, func() bool { return s.looks(name) })
			s.replay(name)
			ahead := 0
			for _, later := range names[k+2:] {
				if s.has(later) {
					ahead++
				}
			}
			if ahead > 9 { // one may have come that follows the last
				t.Fatalf("%d segments lie ahead", ahead)
			}
			if _, err := os.Stat(s.log("archive_status/" + name + ".done")); err != nil {
				t.Errorf("%s would be archived again: %v", name, err)
			}
		}
		if s.asked != 1 {
			t.Errorf("the program was run %d times", s.asked)
		}
		s.wait(names[10], func() bool { return s.has(names[10]) })
		// The server was killed, and begins once more.
		s.replay(names[4])
		s.wait(names[5], func() bool { return s.looks(names[5]) })
		s.replay(names[5])
		stop()
		for _, name := range names[:6] {
			s.holds(name) // they were read, and are the server's
		}
		for _, name := range names[10:] {
			if _, err := os.Stat(s.log("archive_status/" + name + ".done")); s.has(name) || err == nil {
				t.Errorf("%s is left behind", name)
			}
		}
		if s.looks(names[5]) {
			t.Error("what lies there is read though nobody vouches for it any more")
		}
		if left, err := os.ReadDir(s.folder()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%d files are left behind, %v", len(left), err)
		}
	})
}

// Nothing goes that the server has been told to read, whenever the helper ends.
func TestReadInPlaceWhileTheHelperEnds(t *testing.T) {
	var c *pgcluster.Cluster
	for _, bin := range pgcluster.Versions(t) {
		c = pgcluster.New(t, bin)
		break // one will do
	}
	archive, names := archived(t, c, 4)
	var read, not int
	for round := range 60 {
		s := newRecovering(t, c, archive)
		stop := s.help()
		s.replay(names[0])
		s.wait(names[2], func() bool { return s.has(names[2]) })
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			time.Sleep(time.Duration(round%30) * 100 * time.Microsecond)
			stop()
		}()
		if s.looks(names[1]) {
			<-ended
			s.holds(names[1])
			read++
			continue
		}
		<-ended
		not++
	}
	t.Logf("%d times it was read, %d times not", read, not)
}
