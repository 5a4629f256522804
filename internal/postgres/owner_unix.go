//go:build unix

package postgres

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// runAsOwner has a program run as the owner of a data directory, since
// PostgreSQL refuses to run as root.
func runAsOwner(cmd *exec.Cmd, data string) error {
	info, err := os.Stat(data)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Getuid() != 0 {
		return nil
	}
	if owner.Uid == 0 {
		return fmt.Errorf("%s belongs to root, as which PostgreSQL refuses to run; give it to the user postgres", data)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	return nil
}

// ServerOwner returns the IDs of the user that a server on this host runs as,
// postgres, and false when this process may not give files away or there is
// no such user.
func ServerOwner() (uid, gid int, ok bool) {
	if os.Getuid() != 0 {
		return 0, 0, false
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return 0, 0, false
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	return uid, gid, errors.Join(err1, err2) == nil
}
