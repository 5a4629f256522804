package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"

	"holdfast/test/oddities"
)

// mountpoint is a repository that is mounted by a command in this process.
type mountpoint struct {
	t    *testing.T
	dir  string
	errs *syncBuffer
	stop func()
}

// syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// mount runs `holdfast mount` until stop is called.
func (s *shell) mount(args ...string) *mountpoint {
	s.t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil || os.Geteuid() != 0 {
		s.t.Skip("mounting wants /dev/fuse and root")
	}
	m := &mountpoint{t: s.t, dir: s.t.TempDir(), errs: new(syncBuffer)}
	ctx, cancel := context.WithCancel(context.Background())
	out, printed := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		code := Run(ctx, append([]string{"--no-lock", "mount", "--json", m.dir}, args...), Streams{In: strings.NewReader(""), Out: printed, Err: m.errs})
		printed.CloseWithError(io.EOF)
		ended <- code
	}()
	m.stop = sync.OnceFunc(func() {
		cancel()
		if code := <-ended; code != exitOK {
			s.t.Errorf("mount ended with %d: %s", code, m.errs)
		}
	})
	s.t.Cleanup(m.stop)
	if _, err := iotest.OneByteReader(out).Read(make([]byte, 1)); err != nil {
		s.t.Fatalf("it was not mounted: %v %s", err, m.errs)
	}
	go io.Copy(io.Discard, out) //nolint:errcheck // until the command ends
	return m
}

func (m *mountpoint) path(parts ...string) string {
	return filepath.Join(append([]string{m.dir}, parts...)...)
}

func TestMountShowsEverythingAsItWas(t *testing.T) {
	s := newShell(t)
	oddities.Make(t, s.path("source"), oddities.Deep)
	s.backupOf("--host", "www", "--tag", "a/b")
	id := s.field("snapshots", "id")[0]
	m := s.mount()
	oddities.Compare(t, s.path("source"), m.path("snapshots", "latest", s.path("source")))
	for _, place := range []string{"ids/" + id[:8], "hosts/www/latest", "tags/a_b/latest"} {
		if _, err := os.Stat(m.path(place, s.path("source"), "sizes", "1")); err != nil {
			t.Error(err)
		}
	}
	if err := os.WriteFile(m.path("new"), nil, 0o600); !errors.Is(err, syscall.EROFS) {
		t.Errorf("writing gives %v", err)
	}
	if _, err := os.Stat(m.path("ids/nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what is not there gives %v", err)
	}

	before := inodes(t, m.dir)
	m.stop()
	again := s.mount()
	for path, inode := range inodes(t, again.dir) {
		if before[path] != inode {
			t.Fatalf("%s has inode %d, and had %d", path, inode, before[path])
		}
	}
}

// inodes returns the inode numbers of everything below a folder.
func inodes(t *testing.T, dir string) map[string]uint64 {
	t.Helper()
	found := make(map[string]uint64)
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			found[strings.TrimPrefix(path, dir)] = info.Sys().(*syscall.Stat_t).Ino
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestMountTemplatesAndOwner(t *testing.T) {
	s := newShell(t)
	s.write("a", "1")
	if err := os.Chown(s.path("source/a"), 1234, 1234); err != nil && os.Geteuid() == 0 {
		t.Fatal(err)
	}
	s.backupOf("--host", "www", "--time", "2026-01-02 03:04:05")
	s.backupOf("--host", "www", "--time", "2026-01-02 13:04:05")
	m := s.mount("--owner-root", "--path-template", "by/%h/%T", "--time-template", "2006/01/02")
	target, err := os.Readlink(m.path("by/www/latest"))
	if err != nil || target != "2026/01/02-1" {
		t.Errorf("latest leads to %q, %v", target, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(m.path("by/www/latest", s.path("source/a")), &st); err != nil || st.Uid != 0 {
		t.Errorf("owner %d, %v", st.Uid, err)
	}
}

func TestMountReportsDamage(t *testing.T) {
	s := newShell(t)
	s.write("a", strings.Repeat("content ", 100))
	s.backupOf()
	s.damagePacks()
	m := s.mount()
	file := m.path("snapshots/latest", s.path("source/a"))
	for range 2 {
		if _, err := os.ReadFile(file); !errors.Is(err, syscall.EIO) {
			t.Errorf("reading gives %v", err)
		}
	}
	if got := m.errs.String(); strings.Count(got, "source/a") != 1 || !strings.Contains(got, "damaged") {
		t.Errorf("reported: %s", got)
	}
}

// A mount that somebody stands in ends all the same.
func TestMountEndsWhileInUse(t *testing.T) {
	s := newShell(t)
	s.write("a", "1")
	s.backupOf()
	m := s.mount()
	f, err := os.Open(m.path("snapshots"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m.stop()
	s.wants(m.errs.String(), "still uses it")
	if list, err := os.ReadDir(m.dir); err != nil || len(list) > 0 {
		t.Errorf("the folder still shows %v, %v", list, err)
	}
}
