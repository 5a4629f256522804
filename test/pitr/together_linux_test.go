package pitr

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/test/pgcluster"
)

// A base backup, a dump and a folder are backed up at one moment: side by side
// into one repository, each whole, again and again, and one that fails keeps no
// other from being backed up.
func TestTogether(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text); CREATE TABLE busy (n int)")
		s := newShop(t, bin, c.DSN(), "stream")
		uploads := filepath.Join(s.dir, "uploads")
		if err := errors.Join(os.Mkdir(uploads, 0o755), os.WriteFile(filepath.Join(uploads, "picture"), make([]byte, 1<<20), 0o644), pgcluster.Own(uploads)); err != nil {
			t.Fatal(err)
		}
		s.write("holdfast.yaml", strings.NewReplacer(
			"sources:\n", "sources:\n  uploads: { files: { paths: ["+uploads+"] } }\n  dumped: { postgres: { dsn: \""+c.DSN()+"\", method: dump } }\n",
			"plans:\n", "plans:\n  all: { sources: [shop, uploads, dumped], repository: local, together: true }\n",
		).Replace(read(t, s.config)))
		stop := s.background("wal", "receive", "--plan", "shop", "--source", "shop")
		o := &oracle{t: t, c: c}
		o.write(10)
		for range 2 {
			s.runWhileWriting("plan", "run", "all")
		}
		o.write(5)
		s.waitArchived(c)
		if out := s.run("snapshots"); !strings.Contains(out, "6 snapshots") {
			t.Errorf("two runs of three sources made:\n%s", out)
		}
		for _, source := range []string{"shop", "uploads", "dumped"} {
			out := s.run("verify", "--plan", "all", "--source", source, "--scratch", s.dir)
			if !strings.Contains(out, "PROVEN") {
				t.Errorf("%s is not proven:\n%s", source, out)
			}
		}
		data := filepath.Join(pgcluster.Folder(t), "data")
		s.run("restore", "--plan", "all", "--source", "shop", "--to-backup-end", "--target", data)

		stop()
		c.Stop()
		out, err := s.try("plan", "run", "all")
		if err == nil || !strings.Contains(out, "source shop: ") || !strings.Contains(out, "source dumped: ") || strings.Contains(out, "source uploads: ") {
			t.Errorf("without the server: %v\n%s", err, out)
		}
		if out := s.run("snapshots"); !strings.Contains(out, "7 snapshots") {
			t.Errorf("the folder alone was to be backed up:\n%s", out)
		}
		s.run("check", "--read-data")
	})
}
