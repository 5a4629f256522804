package pitr

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"holdfast/test/pgcluster"
)

// A data directory that was not restored to its end is none that a server starts
// on, be it new or one that was there. The same restore goes on with it.
func TestUnfinishedRestore(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a disk that is soon full")
	}
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) FROM generate_series(1, 100000) n")
		s := newShop(t, bin, c.DSN(), "none") // a server would need nothing but what is there
		s.run("plan", "run", "shop")

		disk := pgcluster.Folder(t)
		mount := func(flags uintptr, megabytes int) {
			t.Helper()
			if err := unix.Mount("tmpfs", disk, "tmpfs", flags, fmt.Sprintf("size=%d,mode=1777", megabytes<<20)); err != nil {
				t.Fatal(err)
			}
		}
		mount(0, 24)
		t.Cleanup(func() {
			if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
		data := filepath.Join(disk, "data")
		restore := []string{"restore", "--plan", "shop", "--target", data, "--to-backup-end"}
		unfinished := func(what, why string) {
			t.Helper()
			if out, err := s.try(append(restore, "--delete")...); err == nil || !strings.Contains(out, why) {
				t.Fatalf("%s: %v\n%s", what, err, out)
			}
			if conf := filepath.Join(data, "postgresql.conf"); !exists(conf) { // which may not be back yet
				if err := errors.Join(os.WriteFile(conf, nil, 0o600), pgcluster.Own(conf)); err != nil {
					t.Fatal(err)
				}
			}
			before := len(log(t, data))
			started := pgcluster.Attach(t, bin, data)
			started.Launch()
			started.WaitEnd()
			if said := log(t, data)[before:]; !strings.Contains(said, "could not find the database system") && !strings.Contains(said, "is not a valid data directory") {
				t.Errorf("%s: the server says\n%s", what, said)
			}
		}
		whole := func(what, want string) {
			t.Helper()
			if out, err := s.try(restore...); err == nil || !strings.Contains(out, "add --delete") {
				t.Errorf("%s: what is there is touched unasked: %v\n%s", what, err, out)
			}
			s.run(append(restore, "--delete")...)
			back := pgcluster.Attach(t, bin, data)
			back.Start()
			waitPromoted(t, back)
			if got := back.Query("SELECT count(*) || ' ' || max(n) FROM numbers"); got != want {
				t.Errorf("%s: the table has %s, want %s", what, got, want)
			}
			checkCluster(t, back)
			back.Stop()
			if left, err := filepath.Glob(filepath.Join(data, "global", "pg_control*")); err != nil || len(left) != 1 {
				t.Errorf("%s: left behind: %q, %v", what, left, err)
			}
		}
		unfinished("the disk is full", "no space left on device")
		mount(unix.MS_REMOUNT, 400)
		whole("there is room", "100000 100000")

		c.Exec("INSERT INTO numbers SELECT n, md5(n::text) FROM generate_series(100001, 1000000) n; CHECKPOINT") // more than goes
		s.run("plan", "run", "shop")
		var room unix.Statfs_t
		if err := unix.Statfs(disk, &room); err != nil {
			t.Fatal(err)
		}
		ballast := filepath.Join(disk, "ballast")
		if err := os.WriteFile(ballast, make([]byte, int64(room.Bavail)*room.Bsize-2<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		unfinished("the disk is full while what is there is rewritten", "no space left on device")
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		whole("there is room to rewrite it", "1000000 1000000")
	})
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
