package restoretest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// SandboxCommand is the (hidden) command of this program that calls Enter.
const SandboxCommand = "sandbox"

// apart tells whether commands get namespaces of their own.
func (s *Sandbox) apart() bool { return s.Program != "" && os.Geteuid() == 0 }

// command prepares a command. All that it starts ends with it.
func (s *Sandbox) command(ctx context.Context, args []string) (*exec.Cmd, error) {
	if !s.apart() {
		cmd, err := plainCommand(ctx, args)
		if err != nil {
			return nil, err
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		return cmd, nil
	}
	if len(args) == 0 {
		return nil, errNoCommand
	}
	cmd := exec.CommandContext(ctx, s.Program, append([]string{SandboxCommand, s.Scratch, strconv.FormatInt(s.Memory, 10), "--"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	return cmd, nil
}

// Enter is what the program does inside its new namespaces: it makes all but
// the scratch folder read-only, and becomes the command.
func Enter(scratch, memory string, args []string) error {
	if os.Getpid() != 1 {
		return errors.New("this command is for holdfast itself: it runs in namespaces of its own")
	}
	bytes, err := strconv.ParseUint(memory, 10, 63)
	if err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	if err := shutIn(scratch); err != nil {
		return fmt.Errorf("keep the command apart: %w", err)
	}
	if bytes > 0 {
		if err := unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: bytes, Max: bytes}); err != nil {
			return fmt.Errorf("bound the command's memory: %w", err)
		}
	}
	program, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	return unix.Exec(program, args, os.Environ())
}

// hidden are where servers have their sockets, through which they could be
// reached without a network.
var hidden = [...]string{"/run", "/var/run", "/tmp", "/var/tmp"}

// shutIn makes every file system read-only but the scratch folder, on which
// devices and set-user-ID programs do nothing, and hides what servers are
// reached by.
func shutIn(scratch string) error {
	fd, err := unix.Open(scratch, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the scratch folder: %w", err)
	}
	steps := []struct {
		what string
		do   func() error
	}{
		{"leave the mounts of others alone", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }},
		{"mount /proc", func() error {
			return unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
		}},
		{"hide sockets", hide},
		{"mount the scratch folder", func() error {
			if err := os.MkdirAll(scratch, 0o700); err != nil { // it may be hidden now
				return err
			}
			return unix.Mount(fmt.Sprintf("/proc/self/fd/%d", fd), scratch, "", unix.MS_BIND, "")
		}},
		{"make all read-only", func() error {
			return unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
		}},
		{"make the scratch folder writable", func() error {
			return unix.MountSetattr(unix.AT_FDCWD, scratch, 0, &unix.MountAttr{
				Attr_set: unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOSUID, Attr_clr: unix.MOUNT_ATTR_RDONLY,
			})
		}},
		{"go there", func() error { return unix.Chdir(scratch) }}, // the folder mounted, not the one below
		{"give up what could undo this", giveUp},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return nil
}

// hide puts empty folders over hidden.
func hide() error {
	for _, path := range hidden {
		if info, err := os.Lstat(path); err != nil || !info.IsDir() {
			continue
		}
		if err := unix.Mount("tmpfs", path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=1m,mode=0755"); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// giveUp gives up the rights with which root could mount, load modules or
// write to devices.
func giveUp() error {
	for _, capability := range [...]uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO, unix.CAP_MKNOD, unix.CAP_SYS_BOOT, unix.CAP_SYS_TIME} {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0)
		if err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: this system has no such right
			return err
		}
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}
