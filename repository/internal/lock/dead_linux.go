package lock

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// thisProcess describes this process; the zero value where /proc does not
// tell.
func thisProcess() Process {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return Process{}
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return Process{}
	}
	self, err := readStat("self")
	if err != nil {
		return Process{}
	}
	return Process{Boot: string(bytes.TrimSpace(boot)), Namespace: namespace, Start: self.start}
}

// processExists tells whether a process of this machine lives. In doubt it
// does: a lock is not stale because we may not look.
func processExists(pid int) bool {
	if pid <= 0 {
		return true
	}
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	s, err := readStat(strconv.Itoa(pid))
	return err != nil || !s.isZombie()
}

// isAlive tells whether a process of this PID namespace lives that began at an
// instant. In doubt it does.
func isAlive(pid int, start uint64) bool {
	if pid <= 0 || start == 0 {
		return true
	}
	if !processExists(pid) {
		return false
	}
	s, err := readStat(strconv.Itoa(pid))
	return err != nil || s.start == start // else the PID came again
}

// stat is what /proc tells of a process.
type stat struct {
	state   byte
	threads int
	start   uint64
}

// isZombie tells whether the process has ended, all of its threads, and its
// parent has not asked how: it has a number still, and will never give back its
// locks.
func (s stat) isZombie() bool { return (s.state == 'Z' || s.state == 'X') && s.threads <= 1 }

// readStat reads /proc/PID/stat: "4168 (name) Z 1 ...", where the name may hold
// anything, see proc_pid_stat(5).
func readStat(pid string) (s stat, err error) {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return stat{}, err
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:]) // from field 3 on
	if len(fields) < 20 {
		return stat{}, fmt.Errorf("/proc/%s/stat has %d fields", pid, len(fields)+2)
	}
	s.state = fields[0][0]
	s.threads, err = strconv.Atoi(string(fields[17]))
	if err == nil {
		s.start, err = strconv.ParseUint(string(fields[19]), 10, 64)
	}
	return s, err
}
