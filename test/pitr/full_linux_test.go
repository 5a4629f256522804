package pitr

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"holdfast/test/pgcluster"
)

// The disk on which a receiver spools is full: it says so, confirms nothing that
// is not archived, and goes on by itself once there is room.
func TestSpoolDiskFull(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a disk that is soon full")
	}
	pgcluster.Each(t, func(t *testing.T, bin string) {
		disk := pgcluster.Folder(t)
		if err := unix.Mount("tmpfs", disk, "tmpfs", 0, fmt.Sprintf("size=%d,mode=1777", 48<<20)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
		ballast := filepath.Join(disk, "ballast")
		if err := os.WriteFile(ballast, make([]byte, 46<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
		s := newShop(t, bin, c.DSN(), "stream")
		s.run("plan", "run", "shop")
		// The archive ends within a segment: where it ends with one, that one would
		// have to come again, for which there is no room.
		stop := s.background("wal", "receive", "--plan", "shop")
		c.Exec("CREATE TABLE little AS SELECT 1")
		s.waitArchived(c)
		stop()
		s.spool = disk
		receiver := s.start("wal", "receive", "--plan", "shop")
		s.waitArchived(c)
		o := &oracle{t: t, c: c}
		c.Exec("CREATE TABLE more AS SELECT n, md5(n::text) FROM generate_series(1, 100000) n")
		o.write(3)
		s.wait("the receiver to say that the disk is full", func() bool {
			said := strings.Join(receiver.printed(), "\n")
			return strings.Contains(said, "no space left on device") && strings.Contains(said, disk) && strings.Contains(said, "TMPDIR")
		})
		if confirmed, end := c.Query("SELECT restart_lsn FROM pg_replication_slots"), s.logStatus().Ranges; len(end) != 1 || c.Query(fmt.Sprintf("SELECT '%s'::pg_lsn <= '%s'", confirmed, end[0].End)) != "t" {
			t.Errorf("confirmed up to %s, and the archive has %+v", confirmed, end)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		s.waitArchived(c)
		receiver.kill()
		if status := s.logStatus(); len(status.Gaps) > 0 || len(status.Ranges) != 1 {
			t.Errorf("the archive has %+v", status)
		}
		o.want(s.restore(), 3, "the end of the log")
	})
}
