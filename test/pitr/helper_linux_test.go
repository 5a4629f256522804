package pitr

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"holdfast/test/pgcluster"
)

// What a helper that was killed leaves behind is never used: not by the recovery
// when the server is started again, and a restore over the folder removes it.
func TestHelperKilled(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
		s := newShop(t, bin, c.DSN(), "stream")
		s.run("plan", "run", "shop")
		stop := s.background("wal", "receive", "--plan", "shop")
		o := &oracle{t: t, c: c}
		for range 6 {
			o.write(1)
			// More than recovery reads ahead of what it replays.
			c.Exec("CREATE TABLE more AS SELECT md5(g::text) FROM generate_series(1, 100000) g; DROP TABLE more; SELECT pg_switch_wal()")
		}
		o.write(1)
		s.waitArchived(c)
		stop()

		// Paused at its target, with what follows lying ready.
		data := filepath.Join(pgcluster.Folder(t), "data")
		s.run("restore", "--plan", "shop", "--target", data, "--to-lsn", o.moments[1].lsn, "--pause")
		restored := pgcluster.Attach(t, bin, data)
		restored.Launch()
		ahead := filepath.Join(data, "pg_wal", "holdfast", "ready")
		var lie []string
		kill := func() {
			t.Helper()
			s.wait("segments to lie ready", func() bool {
				lie, _ = filepath.Glob(filepath.Join(ahead, "*", "0000*")) //nolint:errcheck // the pattern is sound
				return len(lie) >= 3
			})
			for _, pid := range helpersOf(t, data) {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			restored.Kill()
			for _, file := range lie { // now it is not what was verified
				content, err := os.ReadFile(file)
				if err != nil {
					continue // it was being moved
				}
				clear(content[len(content)/512:])
				if err := os.WriteFile(file, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		kill()
		conf := filepath.Join(data, "postgresql.auto.conf")
		if err := errors.Join(os.WriteFile(conf, []byte(read(t, conf)+"recovery_target_lsn = ''\n"), 0o600), pgcluster.Own(conf)); err != nil {
			t.Fatal(err)
		}
		restored.Start()
		waitPromoted(t, restored)
		o.want(restored, len(o.moments), "the end of the log, after the helper was killed")
		restored.Stop()

		s.run("restore", "--plan", "shop", "--target", data, "--delete", "--to-lsn", o.moments[1].lsn, "--pause")
		restored.Launch()
		kill()
		s.run("restore", "--plan", "shop", "--target", data, "--delete")
		if left, err := os.ReadDir(filepath.Join(data, "pg_wal", "holdfast")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the restore leaves %v, %v", left, err)
		}
		restored.Start()
		waitPromoted(t, restored)
		o.want(restored, len(o.moments), "the end of the log, restored over what was left")
	})
}

// helpersOf returns the processes that fetch ahead for a data directory.
func helpersOf(t *testing.T, data string) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		args, err := os.ReadFile(file)
		if err != nil || !slices.ContainsFunc(bytes.Split(args, []byte{0}), func(arg []byte) bool { return string(arg) == "--help-others" }) {
			continue
		}
		if dir, err := os.Readlink(filepath.Join(filepath.Dir(file), "cwd")); err != nil || dir != data {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		t.Fatal("nobody fetches ahead")
	}
	return pids
}
