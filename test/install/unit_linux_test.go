package install

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"holdfast/test/program"
)

// What only root may read is backed up by a service that is not root, whose
// unit systemd itself holds to its limits.
func TestServiceInstall(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.copyIn(os.Getenv("HOLDFAST_TEST_BINARY"), "/usr/local/bin/holdfast")
	m.write("/letters/letter", 0o644, "dear Ann")
	m.write("/letters/secret", 0o600, "only for root")
	m.write("/letters/program", 0o755|os.ModeSetuid, "#!/bin/sh\n")

	has(t, m.run("holdfast", "service", "install", "--dry-run"), "there is no /etc/holdfast/holdfast.yaml yet")
	has(t, m.refused("holdfast", "service", "status"), "there is no unit")
	m.run("holdfast", "--config", "/etc/holdfast/holdfast.yaml", "protect", "/letters", "--to", "/srv/backups")
	plan := m.run("holdfast", "service", "install", "--dry-run")
	has(t, plan, "add the system user holdfast")
	has(t, plan, "give /srv/backups (repository backups) to holdfast")
	has(t, m.refused("holdfast", "service", "status"), "there is no unit")

	has(t, m.run("holdfast", "service", "install", "--now"), "http://"+dashboard+"/")
	m.waitActive()
	t.Log(m.run("holdfast", "service", "status"))
	has(t, m.run("holdfast", "service", "install", "--now"), "nothing to do")
	m.run("systemd-analyze", "verify", "--man=no", "/etc/systemd/system/holdfast.service")
	m.run("systemd-analyze", "security", "--offline=true", "--threshold=21", "/etc/systemd/system/holdfast.service")
	m.checkPrivileges()

	m.checkBesideRoot()
	if got := m.run("holdfast", "dump", "latest", "/letters/secret", "--path", "/letters"); got != "only for root" {
		t.Errorf("the secret came back as %q", got)
	}
	m.do("plans/letters/restore-test", "restore-test")
	m.do("repositories/backups/check", "check")
	m.checkReach()
	m.checkRestores()
	m.checkPrivateTemp()
	m.checkUpdates()
	m.checkReturns()

	m.run("holdfast", "service", "uninstall")
	has(t, m.run("holdfast", "service", "uninstall"), "nothing to do")
	if pid := m.process(); pid != 0 {
		t.Errorf("process %d of the service runs after it was removed", pid)
	}
	if _, err := os.Stat(m.path("/etc/systemd/system/holdfast.service")); err == nil {
		t.Error("the unit is there after it was removed")
	}
	if _, err := os.Stat(m.path("/etc/systemd/system/holdfast.service.d/mine.conf")); err != nil {
		t.Error("the administrator's drop-in went with the unit")
	}
	has(t, m.run("holdfast", "snapshots", "-r", "backups"), "/more")
}

// checkBesideRoot has root and the service add to the same repository in turn:
// the files of neither are in the way of the other.
func (m *machine) checkBesideRoot() {
	m.t.Helper()
	m.write("/letters/by root", 0o644, "new to the repository")
	m.run("holdfast", "plan", "run", "letters")
	m.write("/letters/by the service", 0o644, "new as well")
	m.do("plans/letters/backup", "backup")
	if log := m.run("holdfast", "run", "show", m.runs("backup")[0].ID, "--log"); strings.Contains(log, "would not be noticed") {
		m.t.Errorf("root's lock is in the way of the service:\n%s", log)
	}
	m.write("/more/letter", 0o600, "dear Bob") // and the service adds a plan to root's file, as the dashboard has it do
	m.run(m.inService("holdfast", "--config", "/etc/holdfast/holdfast.yaml", "protect", "/more", "--to", "backups")...)
	m.run("holdfast", "protect", "/more", "--to", "backups")
	if foreign := m.run("find", "/srv/backups", "!", "-user", "holdfast"); foreign != "" {
		m.t.Errorf("these are not the service's to remove:\n%s", foreign)
	}
}

// checkPrivileges looks at what the kernel lets the service do.
func (m *machine) checkPrivileges() {
	m.t.Helper()
	status := m.run("cat", fmt.Sprintf("/proc/%d/status", m.process()))
	user := strings.TrimSpace(m.run("id", "--user", "holdfast"))
	for _, want := range []string{
		fmt.Sprintf("Uid:\t%[1]s\t%[1]s\t%[1]s\t%[1]s", user),
		"CapEff:\t0000000000000004", // CAP_DAC_READ_SEARCH and no other
		"CapBnd:\t0000000000000004",
		"NoNewPrivs:\t1",
		"Seccomp:\t2",
	} {
		has(m.t, status, want)
	}
}

// inService runs a program as the service would: in its view of the file
// systems, as its user, with its capability.
func (m *machine) inService(args ...string) []string {
	enter := []string{
		"nsenter", "--target", fmt.Sprint(m.process()), "--mount", "--",
		"setpriv", "--reuid=holdfast", "--regid=holdfast", "--clear-groups", "--no-new-privs",
		"--bounding-set=-all,+dac_read_search", "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search",
		"env", "HOME=/var/lib/holdfast", "TMPDIR=/var/tmp", "HOLDFAST_CACHE_DIR=/var/cache/holdfast",
	}
	return append(enter, args...)
}

// checkReach tries to write where the service must not.
func (m *machine) checkReach() {
	m.t.Helper()
	m.write("/elsewhere/keep", 0o666, "")
	must(m.t, os.Chmod(m.path("/elsewhere"), 0o777)) // permissions alone would allow it
	out := m.refused(m.inService("holdfast", "restore", "latest", "--target", "/elsewhere/restored")...)
	has(m.t, out, "read-only file system")
	out = m.refused(m.inService("env", "HOLDFAST_RUN_REPORT=/var/lib/holdfast/report-of-a-test", "holdfast", "restore", "latest", "--target", "/elsewhere/restored")...)
	has(m.t, out, "holdfast service install --now") // as a run of the service tells it
	m.refused(m.inService("touch", "/letters/new")...)
	m.refused(m.inService("touch", "/root/new")...)
	m.run(m.inService("touch", "/srv/backups/tmp-of-a-test")...)
	m.run(m.inService("rm", "/srv/backups/tmp-of-a-test")...)
}

// checkUpdates adds a repository, and has the unit follow.
func (m *machine) checkUpdates() {
	m.t.Helper()
	m.run("systemctl", "stop", "holdfast")
	m.run("holdfast", "protect", "/letters", "--to", "/mnt/second disk")
	m.write("/etc/systemd/system/holdfast.service.d/mine.conf", 0o644, "[Service]\nNice=5\n")
	has(m.t, m.refused("holdfast", "service", "status"), "replace /etc/systemd/system/holdfast.service")
	m.run("holdfast", "service", "install", "--write-path", "/restored", "--now")
	m.waitActive()
	m.run(m.inService("touch", "/mnt/second disk/tmp-of-a-test")...)
	m.run(m.inService("rm", "/mnt/second disk/tmp-of-a-test")...)
	has(m.t, m.run("holdfast", "service", "install"), "nothing to do") // --write-path is remembered
	if nice := m.unitProperty("Nice"); nice != "5" {
		m.t.Errorf("the administrator's drop-in counts no more: Nice=%s", nice)
	}
}

// checkReturns has the service crash, and stand still: systemd starts it again.
func (m *machine) checkReturns() {
	m.t.Helper()
	if limit := m.unitProperty("WatchdogUSec"); limit != "5min" {
		m.t.Errorf("the watchdog waits %q", limit)
	}
	m.write("/etc/systemd/system/holdfast.service.d/quick.conf", 0o644, "[Service]\nWatchdogSec=6\nRestartSec=1\n")
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "restart", "holdfast")
	told := m.unitProperty("WatchdogTimestampMonotonic")
	wait(m.t, "the service tells that it is well", func() bool { return m.unitProperty("WatchdogTimestampMonotonic") != told })
	for signal, what := range map[string]string{"KILL": "a crash", "STOP": "standing still"} {
		m.waitActive()
		before := m.process()
		m.run("systemctl", "kill", "--kill-whom=main", "--signal="+signal, "holdfast")
		wait(m.t, "the service is back after "+what, func() bool { pid := m.process(); return pid != 0 && pid != before })
	}
	m.waitActive()
	has(m.t, m.run("journalctl", "--no-pager", "--unit=holdfast"), "Watchdog timeout")
}

// A user without root has a unit, too.
func TestUserUnit(t *testing.T) {
	holdfast := program.Holdfast(t).With("XDG_CONFIG_HOME=/home/ann/.config")
	out := holdfast.Run(t, "service", "install", "--user-unit", "--dry-run")
	has(t, out, "/home/ann/.config/systemd/user/holdfast.service")
	has(t, out, "WantedBy=default.target")
	if strings.Contains(out, "User=") || strings.Contains(out, "Capabilit") {
		t.Errorf("the unit asks for what a user cannot give:\n%s", out)
	}
}
