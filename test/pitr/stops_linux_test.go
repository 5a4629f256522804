package pitr

import (
	"errors"
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
			{"a segment is damaged", "is not what was stored", func(do func()) { s.changed(payloadOf(t, s.whole(all, 2)), flip, do) }},
			{"a record is damaged", "record", func(do func()) { s.changed(s.whole(all, 2).file, flip, do) }},
			{"a record is that of another segment", "out of chain", func(do func()) {
				other := read(t, s.whole(all, 1).file)
				s.changed(s.whole(all, 2).file, func([]byte) []byte { return []byte(other) }, do)
			}},
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

// payloadOf returns the file with the payload of a segment.
func payloadOf(t *testing.T, r archived) string {
	t.Helper()
	found, err := filepath.Glob(strings.TrimSuffix(r.file, "record") + "*.zst.age")
	if err != nil || len(found) == 0 {
		t.Fatalf("the payload of %s: %q, %v", r.file, found, err)
	}
	return found[0]
}

// flip changes a bit in the middle.
func flip(content []byte) []byte {
	content[len(content)/2] ^= 1
	return content
}

// changed does something while a file has another content.
func (s *shop) changed(file string, change func([]byte) []byte, do func()) {
	s.t.Helper()
	away := filepath.Join(s.dir, "away")
	rename(s.t, file, away)
	content := change([]byte(read(s.t, away)))
	if err := errors.Join(os.WriteFile(file, content, 0o600), pgcluster.Own(file)); err != nil {
		s.t.Fatal(err)
	}
	do()
	rename(s.t, away, file)
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
