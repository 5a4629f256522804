//go:build unix

package cli

import (
	"os"
	"os/exec"
	"syscall"
)

// canDetach tells whether a process can be left behind.
const canDetach = true

// detach lets a process outlive this one: a server that waits for its command
// waits neither for it nor for its output.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// isPrivate tells whether a folder is this user's, and nobody else's.
func isPrivate(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}
