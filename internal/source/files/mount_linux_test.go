package files

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMountPointIsKeptEmpty uses what every Linux mounts inside another
// file system: a tmpfs or devpts below /dev.
func TestMountPointIsKeptEmpty(t *testing.T) {
	var dev, pts unix.Stat_t
	must(t, unix.Stat("/dev", &dev))
	must(t, unix.Stat("/dev/pts", &pts))
	if dev.Dev == pts.Dev {
		t.Fatal("/dev/pts is no file system of its own")
	}
	s, err := New(Config{Paths: []string{"/dev"}, Rules: Rules{OneFileSystem: true}})
	must(t, err)
	root, err := s.Open(t.Context())
	must(t, err)
	defer root.Close()
	d, err := root.Sub(stat(t, root, "dev"))
	must(t, err)
	defer d.Close()
	mounted, err := d.Sub(stat(t, d, "pts"))
	must(t, err)
	defer mounted.Close()
	names, err := mounted.Names(t.Context())
	if err != nil || len(names) != 0 {
		t.Errorf("/dev/pts holds %q, %v, want nothing", names, err)
	}
}

func TestReaderConcurrency(t *testing.T) {
	for _, path := range []string{"/", "/proc", os.TempDir(), "/does/not/exist"} {
		if c := ReaderConcurrency(path); c.Least < 1 || c.Start < c.Least || c.Most < c.Start || c.Most > mostNetwork {
			t.Errorf("%+v readers for %s", c, path)
		}
	}
}
