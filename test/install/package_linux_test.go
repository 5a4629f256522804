package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// processor is that of this machine, in Go's and Debian's word.
const processor = runtime.GOARCH

// release makes what is handed out, of the program under test.
func release(t *testing.T, version, parts string) (folder string) {
	t.Helper()
	return releaseOf(t, os.Getenv("HOLDFAST_TEST_BINARY"), processor, version, parts)
}

// releaseOf is release for another program.
func releaseOf(t *testing.T, binary, processor, version, parts string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	cmd := exec.Command("go", "run", "holdfast/tools/release", "-root", "../..", "-systems", "linux/"+processor,
		"-program", binary, "-version", version, "-parts", parts, "-out", folder)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1760000000")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make release %s: %v\n%s", version, err, out)
	}
	return folder
}

// The package is installed, upgraded while a backup runs, removed and purged;
// and no backup, password or plan is lost.
func TestDebianPackage(t *testing.T) {
	t.Parallel()
	older, newer := release(t, "1.0.0-rc1", "deb"), release(t, "1.0.0", "deb")
	m := boot(t)
	m.copyIn(filepath.Join(older, "holdfast_1.0.0~rc1_"+processor+".deb"), "/older.deb")
	m.copyIn(filepath.Join(newer, "holdfast_1.0.0_"+processor+".deb"), "/newer.deb")

	m.run("dpkg", "--install", "/older.deb")
	has(t, m.run("systemctl", "is-enabled", "holdfast"), "enabled")
	m.waitActive() // with its dashboard, and no plan yet
	if failed := m.run("systemctl", "--failed", "--no-legend"); failed != "" {
		t.Errorf("units failed after the package was installed:\n%s", failed)
	}
	m.run("systemd-analyze", "verify", "--man=no", "/usr/lib/systemd/system/holdfast.service")
	has(t, m.run("stat", "--format=%U:%G %a", "/etc/holdfast"), "root:holdfast 770")

	m.protectSlowly()
	has(t, m.run("holdfast", "service", "install", "--now"), "write /etc/systemd/system/holdfast.service.d/10-holdfast.conf")
	m.waitActive()
	has(t, m.run("holdfast", "service", "install", "--now"), "nothing to do")
	m.checkPrivileges()
	m.upgradeWhileItBacksUp()
	m.removeAndPurge()
}

// protectSlowly sets up a plan whose backup takes some seconds, however fast
// the machine is.
func (m *machine) protectSlowly() {
	m.t.Helper()
	m.write("/letters/letter", 0o600, "dear Ann")
	m.run("holdfast", "--config", "/etc/holdfast/holdfast.yaml", "protect", "/letters", "--to", "/srv/backups")
	config, err := os.ReadFile(m.path("/etc/holdfast/holdfast.yaml"))
	must(m.t, err)
	slow := strings.Replace(string(config), "    repository: backups\n", "    repository: backups\n    limits: { upload: 500k }\n", 1)
	if slow == string(config) {
		m.t.Fatalf("the plan is not as it was thought to be:\n%s", config)
	}
	m.write("/etc/holdfast/holdfast.yaml", 0o600, slow)
	must(m.t, exec.Command("dd", "if=/dev/urandom", "of="+m.path("/letters/large"), "bs=1M", "count=6", "status=none").Run())
}

func (m *machine) upgradeWhileItBacksUp() {
	m.t.Helper()
	before := m.process()
	m.run("holdfast", "run", "start", "plans/letters/backup")
	wait(m.t, "the backup runs", func() bool {
		return strings.Contains(m.run("holdfast", "run", "next"), "running")
	})
	m.run("dpkg", "--install", "/newer.deb")
	m.waitActive()
	if now := m.process(); now == before {
		m.t.Errorf("process %d of the older version serves after the upgrade", now)
	}
	wait(m.t, "the backup is made after all", func() bool {
		all := m.runs("backup")
		return len(all) > 0 && all[0].Outcome == "succeeded"
	})
	if all := m.runs("backup"); all[len(all)-1].Outcome != "interrupted" {
		m.t.Errorf("the run that was under way became %+v; all: %+v", all[len(all)-1], all)
	}
	m.run("holdfast", "check", "--read-data")
	m.run("sh", "-c", "holdfast dump latest /letters/large | cmp - /letters/large")
}

func (m *machine) removeAndPurge() {
	m.t.Helper()
	m.run("dpkg", "--remove", "holdfast")
	if out, _ := m.try("systemctl", "is-active", "holdfast"); strings.TrimSpace(out) == "active" {
		m.t.Error("the service runs after the package was removed")
	}
	m.run("dpkg", "--install", "/newer.deb") // and it goes on where it was
	m.waitActive()
	m.run("dpkg", "--purge", "holdfast")
	for _, kept := range []string{"/srv/backups/config", "/etc/holdfast/holdfast.yaml", "/etc/holdfast/backups.password", "/var/lib/holdfast/history"} {
		if _, err := os.Stat(m.path(kept)); err != nil {
			m.t.Errorf("purging the package removed %s", kept)
		}
	}
	for _, gone := range []string{"/usr/bin/holdfast", "/var/cache/holdfast", "/etc/systemd/system/holdfast.service.d", "/etc/systemd/system/multi-user.target.wants/holdfast.service"} {
		if _, err := os.Lstat(m.path(gone)); err == nil {
			m.t.Errorf("%s is there after the package was purged", gone)
		}
	}
}
