package proof

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/test/pgcluster"
)

// newFiles makes a plan for a folder with a canary in it, and backs it up to
// both places.
func newFiles(t *testing.T, checks ...string) (p *plan, source string) {
	t.Helper()
	t.Parallel()
	source = filepath.Join(pgcluster.Folder(t), "source")
	const canary = "tweet\n"
	checks = append(checks, fmt.Sprintf(`{ name: the canary, canary: %s/canary, sha256: %x }`, source, sha256.Sum256([]byte(canary))))
	p = newPlan(t, "files: { paths: ["+source+"] }", "rpo: 1h, rto: 1h", strings.Join(checks, ", "))
	noise := make([]byte, 2<<20)
	rand.NewChaCha8([32]byte{1}).Read(noise) //nolint:errcheck // it never fails
	for name, content := range map[string]string{"canary": canary, "sub/noise": string(noise), "empty": ""} {
		path := filepath.Join(source, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	p.run("plan", "run", "data")
	return p, source
}

// A restore test of what is good proves it, from each place and at each point,
// one after the other.
func TestFilesAreProven(t *testing.T) {
	p, _ := newFiles(t, `{ command: [sh, -c, 'find "$HOLDFAST_RESTORED" -type f | wc -l'], expect: "3" }`)
	if s := p.status(); s.RPO.State != "met" || s.RTO.State != "unknown" || !strings.Contains(s.missing(), "rto: no restore of") {
		t.Errorf("before any test: %+v", s)
	}
	for _, from := range []string{"local", "offsite", "local"} {
		if v, err := p.verify("rotate"); err != nil || !v.Good || v.From != from {
			t.Errorf("%+v, %v; want it from %s", v, err, from)
		}
	}
	for _, point := range []string{"oldest", "random", "2100-01-01"} {
		p.good("offsite", "--point", point)
	}
	if v, err := p.verify("local", "--point", "2001-01-01"); err == nil || v.Verdict != "failed" {
		t.Errorf("before all snapshots: %+v, %v", v, err)
	}
	p.good("local")
	if s := p.status(); s.RPO.State != "met" || s.RTO.State != "met" || s.Repositories[1].RTO.State != "met" {
		t.Errorf("%+v", s)
	}
	last := p.evidence("offsite")[0].RestoreTest
	if text := strings.Join(last.Target.Isolation, "\n"); !strings.Contains(text, "without a network") || len(last.Checks) != 4 {
		t.Errorf("%+v", last)
	}
	p.run("evidence", "verify", "-r", "local")
	p.run("evidence", "export", filepath.Join(p.dir, "for-the-auditor"), "-r", "local")
	p.run("evidence", "export", filepath.Join(p.dir, "for-the-auditor.tar"), "-r", "local")
	p.run("evidence", "verify", "--folder", filepath.Join(p.dir, "for-the-auditor"))
}

// Whatever a snapshot holds, nothing outside of the scratch folder is written
// to, and no device is opened.
func TestFilesReachNothing(t *testing.T) {
	p, source := newFiles(t, `{ name: through the link, command: [sh, -c, 'echo harm >"$HOLDFAST_RESTORED/$LINK" || echo kept'], expect: kept }`)
	outside := filepath.Join(pgcluster.Folder(t), "production")
	if err := os.WriteFile(outside, []byte("precious"), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"out": outside, "folder": filepath.Dir(outside), "up": "../../../../../../../../.." + outside} {
		if err := os.Symlink(target, filepath.Join(source, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(unix.Mkfifo(filepath.Join(source, "pipe"), 0o600), unix.Mknod(filepath.Join(source, "zero"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5)))); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(p.dir, "holdfast.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p.write("holdfast.yaml", strings.ReplaceAll(string(config), "$LINK", strings.TrimPrefix(source, "/")+"/out"))
	p.run("plan", "run", "data")
	p.good("local")
	if content, err := os.ReadFile(outside); err != nil || string(content) != "precious" {
		t.Errorf("production is now %q, %v", content, err)
	}
}

func TestCorruptPack(t *testing.T) {
	p, _ := newFiles(t)
	p.good("local")
	save(t, p.largest("local")).damage(t)
	p.caught("local", "local", "noise")
	p.insteadOf("local", "offsite")
	if s := p.status(); s.Repositories[0].RPO.State != "unknown" || !strings.Contains(s.missing(), "errors: local had a restore test that failed") || s.RPO.State != "met" {
		t.Errorf("the copy still counts, the repository does not: %+v", s)
	}
	p.good("offsite")
	p.run("repair", "-r", "local", "--from", "offsite", "--read-data")
	p.good("local")
	if s := p.status(); s.Repositories[0].RPO.State != "unknown" {
		t.Errorf("a restore test of one source says that all is mended: %+v", s)
	}
	p.run("check", "-r", "local", "--read-data")
	if s := p.status(); s.Repositories[0].RPO.State != "met" {
		t.Errorf("mended: %+v", s)
	}
}

func TestEmptiedFiles(t *testing.T) {
	p, source := newFiles(t)
	if err := errors.Join(os.Truncate(filepath.Join(source, "canary"), 0), os.Remove(filepath.Join(source, "sub", "noise"))); err != nil {
		t.Fatal(err)
	}
	p.run("plan", "run", "data")
	p.caught("local", "local", "the canary: content with SHA-256 e3b0c442")
	if n := len(p.evidence("offsite")); n > 0 {
		t.Errorf("a source that was emptied is looked for in %d other places", n)
	}
	p.good("local", "--point", "oldest")
}

// What does not come back from one repository is restored from another, and is
// a failure all the same; that changes nothing about whose turn is next.
func TestRestoreTestFallsBack(t *testing.T) {
	p, source := newFiles(t)
	if err := os.WriteFile(filepath.Join(source, "new"), []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.run("plan", "run", "data", "--no-copy")
	pack := save(t, p.largest("local"))
	pack.damage(t)
	for _, c := range []struct {
		name, says string
		args       []string
		instead    string
	}{
		{"copied", "it comes back from offsite", []string{"--point", "oldest"}, "local"},
		{"not copied yet", "it comes back from offsite, as it was at ", nil, "local"},
		{"alone", "noise", []string{"--no-fallback"}, ""},
	} {
		tests, all, err := p.verifyAll("local", c.args...)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 || tests[0].Verdict != "failed" || !strings.Contains(all, c.says) {
			t.Errorf("%s: %+v, %v; want %q in\n%s", c.name, tests, err, c.says, all)
		}
		if c.instead == "" && len(tests) == 1 {
			continue
		}
		if len(tests) != 2 || !tests[1].Good || tests[1].From != "offsite" || tests[1].EvidenceIn != "offsite" || tests[1].InsteadOf != c.instead {
			t.Errorf("%s: %+v", c.name, tests)
		}
	}
	if v, err := p.verify("rotate"); err != nil || v.From != "offsite" {
		t.Errorf("after two failures from local: %+v, %v", v, err)
	}

	save(t, p.largest("offsite")).damage(t)
	tests, all, err := p.verifyAll("local")
	if err == nil || len(tests) != 2 || tests[1].Good || !strings.Contains(all, "it does not come back from local, nor from offsite") {
		t.Errorf("it comes back from nowhere: %+v, %v\n%s", tests, err, all)
	}
	p.run("evidence", "verify", "-r", "local")
	p.run("evidence", "verify", "-r", "offsite")
}

// A copy that lags behind comes back, and is told by its age.
func TestStaleCopy(t *testing.T) {
	p, source := newFiles(t)
	config, err := os.ReadFile(filepath.Join(p.dir, "holdfast.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p.write("holdfast.yaml", strings.ReplaceAll(string(config), "rpo: 1h", "rpo: 1s"))
	if err := os.WriteFile(filepath.Join(source, "new"), []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.run("plan", "run", "data", "--no-copy")
	for deadline := time.Now().Add(2 * time.Minute); ; {
		s := p.status()
		if s.Met || !strings.Contains(s.missing(), "copies: ") {
			t.Fatalf("%+v", s)
		}
		if s.Repositories[1].RPO.State == "breached" && strings.Contains(s.missing(), "rpo: ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the copy grows old unnoticed: %+v", s)
		}
	}
	p.run("copy", "--plan", "data")
	if s := p.status(); strings.Contains(s.missing(), "copies: ") {
		t.Errorf("copied: %+v", s)
	}
}

// What cannot even be opened has failed, and the other repository keeps the
// record of it.
func TestLostCopy(t *testing.T) {
	p, _ := newFiles(t)
	at := filepath.Join(p.dir, "offsite")
	if err := os.Rename(at, at+".away"); err != nil {
		t.Fatal(err)
	}
	p.caught("offsite", "local", "no repository")
	p.insteadOf("offsite", "local")
	if s := p.status(); s.Repositories[1].Down == "" || s.Repositories[1].RPO.State != "unknown" || s.Met {
		t.Errorf("%+v", s)
	}
	if err := os.Rename(at+".away", at); err != nil {
		t.Fatal(err)
	}
	if v, err := p.verify("rotate"); err != nil || !v.Good || v.From != "offsite" {
		t.Errorf("what failed is not tested again before all others: %+v, %v", v, err)
	}
}

func TestWrongKey(t *testing.T) {
	p, _ := newFiles(t)
	p.write("password-offsite", "another\n")
	p.caught("offsite", "local", "wrong password")
	if s := p.status(); !strings.Contains(s.Repositories[1].Down, "password") || s.Met {
		t.Errorf("%+v", s)
	}
}

// Evidence that disappears, or is changed, is missed.
func TestTamperedEvidence(t *testing.T) {
	p, _ := newFiles(t)
	for range 3 {
		p.good("local")
	}
	records, err := filepath.Glob(filepath.Join(p.dir, "local", "holdfast", "evidence", "*-restoretest-*"))
	if err != nil || len(records) != 3 {
		t.Fatalf("%v, %v", records, err)
	}
	if err := os.Remove(records[1]); err != nil {
		t.Fatal(err)
	}
	if _, out, err := p.try("evidence", "verify", "-r", "local"); err == nil || !strings.Contains(out, "missing: ") || !strings.Contains(out, "record 3 follows") {
		t.Errorf("a record was removed: %v\n%s", err, out)
	}
	if err := os.Remove(records[2]); err != nil {
		t.Fatal(err)
	}
	if _, out, err := p.try("evidence", "verify", "-r", "local"); err == nil || !strings.Contains(out, "the last one made by this machine, is gone") {
		t.Errorf("the newest were removed: %v\n%s", err, out)
	}
}
