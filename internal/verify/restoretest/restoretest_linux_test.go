package restoretest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/internal/evidence"
)

// TestMain lets the test binary be what a sandbox starts anew.
func TestMain(m *testing.M) {
	if len(os.Args) > 4 && os.Args[1] == SandboxCommand && os.Args[4] == "--" {
		fmt.Fprintln(os.Stderr, Enter(os.Args[2], os.Args[3], os.Args[5:]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func newScratch(t *testing.T, base string) *Scratch {
	t.Helper()
	s, err := NewScratch(base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// sandbox returns one that runs commands as root, apart.
func sandbox(t *testing.T, memory int64) *Sandbox {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("keeping commands apart takes root: run the tests as root")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &Sandbox{Scratch: newScratch(t, "").Path(), Memory: memory, Program: program}
}

// try runs a script in the sandbox and returns the check it makes.
func (s *Sandbox) try(t *testing.T, script, expect string) evidence.TestCheck {
	t.Helper()
	test := Begin(evidence.RestoreTest{Source: "docs"})
	c := Command{Name: "script", Args: []string{"sh", "-c", script}, Expect: expect, Timeout: time.Minute}
	if err := s.Run(t.Context(), test, c, s.Scratch); err != nil {
		t.Fatal(err)
	}
	return test.Checks[0]
}

func TestCommandsReachNothing(t *testing.T) {
	s := sandbox(t, 0)
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("production"), 0o666); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the test is over
	if err := unix.Mknod(filepath.Join(s.Scratch, "device"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGPASSWORD", "hush")
	port := l.Addr().(*net.TCPAddr).Port
	for name, script := range map[string]string{
		"write outside":        "echo x >" + outside,
		"write to the system":  "echo x >/etc/holdfast-test",
		"remount":              "mount -o remount,rw,bind / && echo x >/etc/holdfast-test",
		"see what is in /tmp":  "cat " + outside,
		"reach this machine":   fmt.Sprintf("bash -c 'echo >/dev/tcp/127.0.0.1/%d'", port),
		"see other processes":  fmt.Sprintf("kill -0 %d", os.Getpid()),
		"read a device":        "head -c 1 device",
		"take the environment": `[ -n "$PGPASSWORD" ]`,
	} {
		if c := s.try(t, script, ""); c.Good {
			t.Errorf("%s: it can: %+v", name, c)
		}
	}
	if _, err := os.Stat("/etc/holdfast-test"); err == nil {
		t.Error("/etc was written to")
	}
	c := s.try(t, `echo x >"$TMPDIR/x" && echo y >"$HOLDFAST_RESTORED/y" && echo $(ls "$HOLDFAST_RESTORED" | wc -l)`, "> 2")
	if !c.Good {
		t.Errorf("what it may: %+v", c)
	}
}

func TestCommandAnswers(t *testing.T) {
	s := sandbox(t, 256<<20)
	for _, test := range []struct {
		script, expect string
		good           bool
		actual         string
	}{
		{"exit 0", "", true, "status 0"},
		{"echo why >&2; exit 3", "", false, "why"},
		{"echo 41", "> 40", true, "41"},
		{"echo 40", "> 40", false, "40"},
		{"echo many", "> 40", false, "both must be numbers"},
		{"head -c 400m /dev/zero | tail >/dev/null", "", false, ""}, // more memory than there may be
		{"nobody-has-this-program", "", false, "not found"},
	} {
		if c := s.try(t, test.script, test.expect); c.Good != test.good || !strings.Contains(c.Actual, test.actual) {
			t.Errorf("%s: %+v", test.script, c)
		}
	}
}

// A command that hangs is ended, and so is what it started.
func TestCommandTimeout(t *testing.T) {
	for _, s := range []*Sandbox{sandbox(t, 0), {Scratch: newScratch(t, "").Path()}} {
		test := Begin(evidence.RestoreTest{})
		c := Command{Name: "hangs", Args: []string{"sh", "-c", "sleep 1000 & sleep 1000"}, Timeout: 300 * time.Millisecond}
		start := time.Now()
		if err := s.Run(t.Context(), test, c, ""); err != nil {
			t.Fatal(err)
		}
		if c := test.Checks[0]; c.Good || !strings.Contains(c.Actual, "longer than 300ms") || time.Since(start) > 5*time.Minute {
			t.Errorf("%+v after %s", c, time.Since(start))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sandbox(t, 0).Run(ctx, Begin(evidence.RestoreTest{}), Command{Args: []string{"true"}}, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestCanary(t *testing.T) {
	outside := t.TempDir()
	dir := t.TempDir()
	for path, content := range map[string]string{filepath.Join(outside, "secret"): "x", filepath.Join(dir, "bird"): "tweet", filepath.Join(dir, "empty"): ""} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "link")), os.Symlink("bird", filepath.Join(dir, "good-link")), unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	const sum = "7c4ad66fe4aa12ac8f5e97f39ab3c4c3e6e42b5ee2e1b2a2e2ebd9b5b0a0b0c0" // not that of the bird
	for _, test := range []struct {
		path, sum string
		good      bool
	}{
		{"/bird", "", true},
		{"/bird", sum, false},
		{"/good-link", "", true},
		{"/empty", "", false},
		{"/gone", "", false},
		{"/link", "", false},
		{"/pipe", "", false},
		{"/", "", false},
	} {
		r := Begin(evidence.RestoreTest{})
		c := Canary{Name: test.path, Path: test.path, SHA256: test.sum}
		if err := c.Look(r, dir); err != nil {
			t.Fatal(err)
		}
		if len(r.Checks) != 1 || r.Checks[0].Good != test.good {
			t.Errorf("%s %s: %+v", test.path, test.sum, r.Checks)
		}
	}
	r := Begin(evidence.RestoreTest{})
	c := Canary{Path: "/bird"}
	if err := c.Look(r, dir); err != nil {
		t.Fatal(err)
	}
}

// Leftovers of killed tests go; those of tests that run stay.
func TestScratchLeftovers(t *testing.T) {
	base := filepath.Join(t.TempDir(), "scratch")
	running := newScratch(t, base)
	killed, err := NewScratch(base)
	if err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(killed.Path(), "closed")
	if err := errors.Join(os.MkdirAll(filepath.Join(closed, "below"), 0o700), os.Chmod(closed, 0), killed.lock.Close()); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(base, prefix+"of-somebody-else")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	restore, err := newScratchFor(base, restorePrefix)
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(base, restorePrefix+"that-a-person-named") // and restored to, with a file that has a name like a lock's
	old := filepath.Join(base, prefix+"without-a-lock")             // its removal was killed
	long := time.Now().Add(-2 * unlockedAge)
	if err := errors.Join(restore.lock.Close(), os.Mkdir(old, 0o700), os.Chtimes(old, long, long),
		os.Mkdir(own, 0o700), os.WriteFile(filepath.Join(own, "lock"), []byte("data"), 0o600), os.Chtimes(own, long, long)); err != nil {
		t.Fatal(err)
	}
	newScratch(t, base)
	for _, path := range []string{killed.Path(), restore.Path(), old} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there", path)
		}
	}
	for _, path := range []string{running.Path(), other, filepath.Join(own, "lock")} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if info, err := os.Stat(running.Path()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others can look into it: %v, %v", info, err)
	}
}

func TestVerdicts(t *testing.T) {
	begin := func() *Test { return Begin(evidence.RestoreTest{Source: "docs"}) }
	test := begin()
	if err := test.Step("restore", func() error { return errors.New("no") }); err == nil || test.Steps[0].Error != "no" {
		t.Errorf("%v, %+v", err, test.Steps)
	}
	test.End(t.Context(), nil)
	if !test.Good() || test.Record().Problems != 0 {
		t.Errorf("%+v", test)
	}
	test = begin()
	test.Check("a", "1", "2", false)
	for range 2 * maxFindings {
		test.Find("x")
	}
	test.End(t.Context(), nil)
	if r := test.Record(); test.Verdict != evidence.Failed || r.Problems != 2*maxFindings+1 || len(r.Findings) != maxFindings || r.Findings[0] != "a: 2, want 1" {
		t.Errorf("%+v", r.Problems)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	test = begin()
	test.End(ctx, context.Canceled)
	if test.Verdict != evidence.NotJudged {
		t.Errorf("%+v", test.Verdict)
	}
}

func TestLimits(t *testing.T) {
	var target evidence.Target
	// 0 changes nothing: a priority that was lowered does not come back.
	if err := (Limits{}).Apply(&target); err != nil || len(target.Isolation) != 0 {
		t.Errorf("%v, %v", err, target.Isolation)
	}
	if err := (Limits{Nice: 1}).Apply(&target); err != nil || len(target.Isolation) != 1 {
		t.Errorf("%v, %v", err, target.Isolation)
	}
	if nice, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err != nil || 20-nice < 1 {
		t.Errorf("%v, %v", nice, err)
	}
}
