package servers

import (
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// startBound starts a command that the kernel kills when this process ends,
// in whatever way.
func startBound(cmd *exec.Cmd) error {
	starterOnce.Do(func() { go starter() })
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	r := request{cmd: cmd, result: make(chan error)}
	requests <- r
	return <-r.result
}

type request struct {
	cmd    *exec.Cmd
	result chan error
}

var (
	starterOnce sync.Once
	requests    = make(chan request)
)

// starter starts all commands from one thread that never ends: the signal of
// Pdeathsig is sent when the thread dies that started the child, not the
// process (prctl(2)).
func starter() {
	runtime.LockOSThread()
	for r := range requests {
		r.result <- r.cmd.Start()
	}
}

// removeAtExit has a folder removed when this process has ended, in whatever
// way. Go has no hook for that, and a killed process could not run it.
func removeAtExit(dir string) error {
	remover.Do(func() { removing, removerErr = startRemover() })
	if removerErr != nil {
		return removerErr
	}
	if _, err := fmt.Fprintln(removing, dir); err != nil {
		return fmt.Errorf("handing %s to the remover: %w", dir, err)
	}
	return nil
}

var (
	remover    sync.Once
	removing   io.Writer
	removerErr error
)

// removerScript reads the names of folders until its input ends, which is
// when this process does. The servers die at the same moment, and one may
// still write, so removing is tried again for up to five seconds.
const removerScript = `
while read -r dir; do set -- "$@" "$dir"; done
for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$@" && exit; sleep 0.5; done`

func startRemover() (io.Writer, error) {
	cmd := exec.Command("/bin/sh", "-c", removerScript, "remover")
	cmd.Dir = "/"
	// A group of its own: what interrupts the tests must not interrupt it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting what removes the servers' data: %w", err)
	}
	return in, nil
}
