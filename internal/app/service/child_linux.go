package service

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// runChild runs a process until it ends; started is called once it does, and
// drained must return when what it prints has been read. When ctx ends it is
// told to end, and after grace killed.
//
// The kernel sends SIGTERM to the process when this one dies, however it does:
// a service that is killed leaves nothing behind. The signal goes by the
// thread that started the process, so that thread is kept for it, and not used
// again: it has the run's priority.
func runChild(ctx context.Context, cmd *exec.Cmd, w Work, grace time.Duration, started, drained func()) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	begun, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := begin(cmd, w)
		begun <- err
		if err != nil {
			return
		}
		started()
		drained()
		ended <- cmd.Wait()
	}()
	if err := <-begun; err != nil {
		return err
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	return stopChild(cmd.Process.Pid, grace, ended)
}

// begin starts a process with its priority, from the thread it is bound to.
func begin(cmd *exec.Cmd, w Work) error {
	if w.Nice != 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), w.Nice); err != nil {
			return fmt.Errorf("set the priority of the run: %w", err)
		}
	}
	return cmd.Start()
}

// residentBytes is what a process has in memory; 0 if it has ended.
func residentBytes(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// stopChild tells a process to end, and kills it with its group when it does
// not.
func stopChild(pid int, grace time.Duration, ended <-chan error) error {
	syscall.Kill(pid, syscall.SIGTERM) //nolint:errcheck // it has ended
	select {
	case err := <-ended:
		return err
	case <-time.After(grace):
	}
	syscall.Kill(-pid, syscall.SIGKILL) //nolint:errcheck // it has ended
	return <-ended
}

// signalRun sends a signal to all processes that belong to a run, and returns
// how many there were. They are found by their environment, which children
// inherit: neither IDs of processes, which are used again, nor groups, which
// may be left, would do.
func signalRun(run string, signal syscall.Signal) int {
	mark := []byte(EnvRun + "=" + run)
	found := 0
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		environment, err := os.ReadFile("/proc/" + entry.Name() + "/environ")
		if err != nil {
			continue // gone, or somebody else's
		}
		for v := range bytes.SplitSeq(environment, []byte{0}) {
			if bytes.Equal(v, mark) && syscall.Kill(pid, signal) == nil {
				found++
				break
			}
		}
	}
	return found
}
