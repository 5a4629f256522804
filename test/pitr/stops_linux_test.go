package pitr

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/test/pgcluster"
)

// A recovery that cannot get its log stops, says why, and goes on to the end
// once it can: without the store, with a wrong password, without a segment in
// the middle, and without the last piece that was archived.
func TestRecoveryStops(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
		s := newShop(t, bin, c.DSN(), "stream")
		stop := s.background("wal", "receive", "--plan", "shop")
		s.run("plan", "run", "shop")
		o := &oracle{t: t, c: c}
		for range 4 {
			o.write(2)
			c.Exec("SELECT pg_switch_wal()")
		}
		o.write(2)
		s.waitArchived(c)
		stop()

		data := filepath.Join(pgcluster.Folder(t), "data")
		s.run("restore", "--plan", "shop", "--target", data)
		back := pgcluster.Attach(t, bin, data)
		place := filepath.Join(s.dir, "repository")
		all := s.records()
		for _, broken := range []struct {
			what, why string
			by        func(do func())
		}{
			{"the store is away", "repository", func(do func()) {
				rename(t, place, place+".away")
				do()
				rename(t, place+".away", place)
			}},
			{"the password is wrong", "password", func(do func()) {
				s.write("password", "wrong\n")
				do()
				s.write("password", "secret\n")
			}},
			{"a segment in the middle is lost", "is missing", func(do func()) { s.without(s.whole(all, len(o.moments)/4), do) }},
			{"the last piece is lost", "is missing", func(do func()) { s.without(all[0], do) }},
		} {
			broken.by(func() {
				before := len(log(t, data))
				back.Launch()
				back.WaitEnd()
				if said := log(t, data)[before:]; !strings.Contains(said, broken.why) {
					t.Errorf("%s, and the server's log says\n%s", broken.what, said)
				}
			})
		}
		back.Start()
		waitPromoted(t, back)
		o.want(back, len(o.moments), "the end of the log, after all")
	})
}

// log is what the server on a data directory has said.
func log(t *testing.T, data string) string {
	t.Helper()
	said, err := os.ReadFile(data + ".log")
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(said)
}

// whole returns the n-th of the whole segments.
func (s *shop) whole(all []archived, n int) archived {
	s.t.Helper()
	for k := len(all) - 1; k >= 0; k-- {
		if strings.Contains(filepath.Base(all[k].file), ".segment.") {
			if n--; n < 0 {
				return all[k]
			}
		}
	}
	s.t.Fatalf("too few whole segments among %d", len(all))
	return archived{}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
