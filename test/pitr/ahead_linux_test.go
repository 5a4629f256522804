package pitr

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/test/pgcluster"
)

// A server that recovers takes what was fetched ahead by itself, and nothing of
// that stays when it is done.
func TestTakenAhead(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
		s := newShop(t, bin, c.DSN(), "stream")
		s.run("plan", "run", "shop")
		stop := s.background("wal", "receive", "--plan", "shop")
		o := &oracle{t: t, c: c}
		const segments = 12
		for range segments {
			o.write(1)
			// Pages to replay, and something to compress.
			c.Exec("CREATE TABLE more AS SELECT md5(g::text) FROM generate_series(1, 100000) g; DROP TABLE more; SELECT pg_switch_wal()")
		}
		o.write(1)
		s.waitArchived(c)
		stop()

		data := filepath.Join(pgcluster.Folder(t), "data")
		s.run("restore", "--plan", "shop", "--target", data)
		asked := filepath.Join(s.dir, "asked")
		s.write("counted", "#!/bin/sh\necho \"$*\" >> "+asked+"\nexec "+s.binary+" \"$@\"\n")
		if err := os.Chmod(filepath.Join(s.dir, "counted"), 0o700); err != nil {
			t.Fatal(err)
		}
		conf := filepath.Join(data, "postgresql.auto.conf")
		line := "exec " + s.binary + " "
		if text := read(t, conf); !strings.Contains(text, " -ef ") || !strings.Contains(text, line) {
			t.Fatalf("the restore_command is another:\n%s", text)
		}
		if err := errors.Join(os.WriteFile(conf, []byte(strings.Replace(read(t, conf), line, "exec "+filepath.Join(s.dir, "counted")+" ", 1)), 0o600), pgcluster.Own(conf)); err != nil {
			t.Fatal(err)
		}
		restored := pgcluster.Attach(t, bin, data)
		restored.Start()
		waitPromoted(t, restored)
		o.want(restored, len(o.moments), "the end of the log")
		if asks := strings.Count(read(t, asked), " wal fetch "); asks >= segments {
			t.Errorf("the program was started %d times for %d segments:\n%s", asks, segments, read(t, asked))
		}
		s.wait("what was fetched ahead to go", func() bool {
			_, err := os.Stat(filepath.Join(data, "pg_wal", "holdfast"))
			return errors.Is(err, os.ErrNotExist)
		})
	})
}
