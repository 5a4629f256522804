//go:build !linux

package service

import (
	"context"
	"os/exec"
	"syscall"
	"time"
)

// runChild runs a process until it ends; started is called once it does, and
// drained must return when what it prints has been read. When ctx ends it is
// told to end, and after grace killed. On this system a process outlives a
// service that is killed; the lock of its plan keeps a second one away.
func runChild(ctx context.Context, cmd *exec.Cmd, _ Work, grace time.Duration, started, drained func()) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		started()
		drained()
		ended <- cmd.Wait()
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it has ended
	select {
	case err := <-ended:
		return err
	case <-time.After(grace):
	}
	cmd.Process.Kill() //nolint:errcheck // it has ended
	return <-ended
}

// signalRun finds nothing on this system.
func signalRun(string, syscall.Signal) int { return 0 }

// residentBytes is not known on this system.
func residentBytes(int) int64 { return 0 }
