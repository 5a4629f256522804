package lock

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// A process that has ended and whose parent has not asked how is gone, as far
// as locks are concerned.
func TestZombiesAreGone(t *testing.T) {
	cmd := exec.Command("/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if !processExists(pid) || !processExists(os.Getpid()) {
		t.Error("a process that lives is taken for gone")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(time.Minute); processExists(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("a process that ended, and is not waited for, is taken for alive")
		}
	}
	cmd.Wait() //nolint:errcheck // it was killed
	if processExists(pid) {
		t.Error("a process that is no more is taken for alive")
	}
}
