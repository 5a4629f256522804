package pitr

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/test/pgcluster"
)

// What does not belong into a data directory, what does not outlive a restart, and
// databases that come and go while it is read are in nobody's way, whichever way it
// is backed up. What cannot be read ends the backup: nobody knows what it was.
func TestForeignFiles(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) FROM generate_series(1, 100000) n; CREATE UNLOGGED TABLE fleeting AS SELECT 1 AS n")
		session, err := pgx.Connect(t.Context(), c.DSN())
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close(t.Context()) //nolint:errcheck // the server ends
		if _, err := session.Exec(t.Context(), "CREATE TEMP TABLE mine AS SELECT generate_series(1, 1000) n"); err != nil {
			t.Fatal(err)
		}
		in := func(name string) string { return filepath.Join(c.Data, name) }
		for name, make := range map[string]func(path string) error{
			"notes.txt":        func(path string) error { return os.WriteFile(path, []byte("Dear Ann"), 0o600) },
			"odd \n name \xff": func(path string) error { return os.WriteFile(path, nil, 0o600) },
			"base/pgsql_tmp/pgsql_tmp7.0": func(path string) error {
				return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("x"), 0o600))
			},
			"loop":         func(path string) error { return os.Symlink(".", path) },
			"pg_stat/loop": func(path string) error { return os.Symlink("..", path) },
			"dangling":     func(path string) error { return os.Symlink("/nonexistent", path) },
			"pipe":         func(path string) error { return syscall.Mkfifo(path, 0o600) },
		} {
			if err := errors.Join(make(in(name)), pgcluster.Own(filepath.Dir(in(name)))); err != nil {
				t.Fatal(err)
			}
		}
		for _, way := range []string{"remote", "local"} {
			s := newShop(t, bin, c.DSN(), "stream")
			if way == "local" {
				s.local(c, "")
			}
			stop := comingAndGoing(t, c)
			s.run("plan", "run", "shop")
			stop()
			data := filepath.Join(pgcluster.Folder(t), "data")
			s.run("restore", "--plan", "shop", "--target", data, "--to-backup-end")
			for _, gone := range []string{"base/pgsql_tmp/pgsql_tmp7.0", "pipe"} {
				if _, err := os.Lstat(filepath.Join(data, gone)); err == nil {
					t.Errorf("%s: %s comes back", way, gone)
				}
			}
			if left, err := filepath.Glob(filepath.Join(data, "base", "*", "t[0-9]*_*")); err != nil || len(left) > 0 {
				t.Errorf("%s: temporary tables come back: %q, %v", way, left, err)
			}
			back := pgcluster.Attach(t, bin, data)
			back.Start()
			waitPromoted(t, back)
			if got := back.Query("SELECT (SELECT count(*) FROM numbers) || ' ' || (SELECT count(*) FROM fleeting)"); got != "100000 0" {
				t.Errorf("%s: the restored tables have %s rows", way, got)
			}
			checkCluster(t, back)

			secret := in("secret")
			if err := os.WriteFile(secret, []byte("root's"), 0o600); err != nil { // the server's user may not read it
				t.Fatal(err)
			}
			if os.Geteuid() == 0 {
				out, err := s.try("plan", "run", "shop", "--type", "full")
				if err == nil || !strings.Contains(strings.ToLower(out), "permission denied") || !strings.Contains(out, "secret") {
					t.Errorf("%s: a file that cannot be read: %v\n%s", way, err, out)
				}
				if out := s.run("snapshots", "-r", "local"); !strings.Contains(out, "1 snapshot") {
					t.Errorf("%s: a file cannot be read, and there are\n%s", way, out)
				}
			}
			if err := os.Remove(secret); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// comingAndGoing makes and drops databases until it is stopped.
func comingAndGoing(t *testing.T, c *pgcluster.Cluster) (stop func()) {
	t.Helper()
	ended := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-ended:
				return
			case <-time.After(time.Millisecond):
			}
			conn, err := pgx.Connect(t.Context(), c.DSN())
			if err != nil {
				t.Error(err)
				return
			}
			for _, sql := range []string{"CREATE DATABASE passing%d", "DROP DATABASE passing%d"} {
				if _, err := conn.Exec(t.Context(), fmt.Sprintf(sql, n)); err != nil {
					t.Error(err)
				}
			}
			conn.Close(t.Context()) //nolint:errcheck // all was said
		}
	})
	return func() { close(ended); done.Wait() }
}
