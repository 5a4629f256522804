package pitr

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"holdfast/test/pgcluster"
	"holdfast/test/tools"
)

// With holdfast gone, restic, age, zstd and PostgreSQL bring the cluster back
// to the end of its log: by the commands of the guide, taken out of it.
func TestWithoutHoldfast(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
		s := newShop(t, bin, c.DSN(), "stream")
		stop := s.background("wal", "receive", "--plan", "shop")
		s.run("plan", "run", "shop")
		o := &oracle{t: t, c: c}
		o.write(4)
		c.Exec("SELECT pg_switch_wal()")
		o.write(4) // in slices of a segment that is never whole
		s.waitArchived(c)
		stop()
		identity := regexp.MustCompile(`AGE-SECRET-KEY-1[0-9A-Z]+`).FindString(s.run("kit", "-r", "local", "--secrets"))
		if identity == "" {
			t.Fatal("the recovery kit has no age identity")
		}
		dir := pgcluster.Folder(t)
		restored := filepath.Join(dir, "restored")
		if err := os.WriteFile(filepath.Join(dir, "identity"), []byte(identity+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		// age and zstd are those of the system, which the server's user can run.
		if err := os.Symlink(tools.Restic(t), filepath.Join(dir, "restic")); err != nil {
			t.Fatal(err)
		}
		script := strings.NewReplacer(
			"/srv/holdfast ", filepath.Join(s.dir, "repository")+" ", "/srv/holdfast/", filepath.Join(s.dir, "repository")+"/",
			"/srv/restored", restored, "/usr/local/bin/", dir+"/", "/root/identity", filepath.Join(dir, "identity"), "SNAPSHOT", "latest",
		).Replace(guideScript(t))
		cmd := exec.Command("sh", "-ec", script)
		path := "PATH=" + dir + ":" + os.Getenv("PATH")
		cmd.Env = append(os.Environ(), path, "RESTIC_PASSWORD=secret", "RESTIC_CACHE_DIR="+filepath.Join(dir, "cache"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("the guide's commands: %v\n%s\n%s", err, out, script)
		}
		if err := pgcluster.Own(dir); err != nil {
			t.Fatal(err)
		}
		back := pgcluster.Attach(t, bin, restored)
		back.Start()
		waitPromoted(t, back)
		o.want(back, 8, "the end of the log, without holdfast")
	})
}

// guideScript returns the commands under "Without holdfast".
func guideScript(t *testing.T) string {
	t.Helper()
	guide := read(t, "../../docs/guides/postgres.md")
	_, section, ok := strings.Cut(guide, "## Without holdfast")
	_, code, ok2 := strings.Cut(section, "```sh\n")
	code, _, ok3 := strings.Cut(code, "```")
	if !ok || !ok2 || !ok3 {
		t.Fatal("the guide has no commands under \"Without holdfast\"")
	}
	return code
}
