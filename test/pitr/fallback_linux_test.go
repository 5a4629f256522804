package pitr

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/test/pgcluster"
)

// A cluster comes back from the copies of its plan when the repository is damaged,
// has lost its packs, or is away, as files do; and from it alone if that is wanted.
func TestRecoveryFallsBack(t *testing.T) {
	t.Parallel()
	bin := pgcluster.Versions(t)[15]
	c := pgcluster.New(t, bin)
	c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) FROM generate_series(1, 100000) n")
	s := newShop(t, bin, c.DSN(), "none")
	s.write("holdfast.yaml", strings.NewReplacer("repositories:\n", "repositories:\n  offsite: { url: "+s.dir+"/offsite, password: { file: password } }\n",
		"    repository: local\n", "    repository: local\n    copies: [offsite]\n").Replace(read(t, s.config)))
	s.run("init", "-r", "offsite", "--like", "local")
	s.run("plan", "run", "shop")
	s.run("copy", "--plan", "shop")

	restore := func(flags ...string) (data, out string, err error) {
		data = filepath.Join(pgcluster.Folder(t), "data")
		out, err = s.try(append([]string{"restore", "--plan", "shop", "--target", data, "--to-backup-end"}, flags...)...)
		return data, out, err
	}
	comesBack := func(what, told string) {
		t.Helper()
		data, out, err := restore()
		if err != nil || !strings.Contains(out, told) || !strings.Contains(out, "reading the copy at") {
			t.Fatalf("%s: %v\n%s", what, err, out)
		}
		back := pgcluster.Attach(t, bin, data)
		back.Start()
		waitPromoted(t, back)
		if got := back.Query("SELECT count(*) FROM numbers"); got != "100000" {
			t.Errorf("%s: the table has %s rows", what, got)
		}
		checkCluster(t, back)
		back.Stop()
	}
	s.damagePacks()
	comesBack("packs are damaged", "heals damage")
	if _, out, err := restore("--no-fallback"); err == nil || strings.Contains(out, "reading the copy at") {
		t.Errorf("a damaged repository alone: %v\n%s", err, out)
	}
	if err := os.Rename(filepath.Join(s.dir, "repository", "data"), filepath.Join(s.dir, "lost")); err != nil {
		t.Fatal(err)
	}
	comesBack("packs are gone", "heals damage")
	if err := os.Rename(filepath.Join(s.dir, "repository"), filepath.Join(s.dir, "away")); err != nil {
		t.Fatal(err)
	}
	comesBack("the repository is away", "cannot be used")
}
