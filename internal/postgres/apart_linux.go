package postgres

import (
	"os"
	"os/exec"
	"syscall"
)

// CanBeApart tells whether a server can have a network of its own.
func CanBeApart() bool { return os.Geteuid() == 0 }

// keepApart gives a program a network of its own.
func keepApart(cmd *exec.Cmd) {
	if !CanBeApart() {
		return
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNET
}
