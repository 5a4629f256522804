package restoretest

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// The class of those who get the disk last, as ioprio_set has it, and the
// lowest level of it: "best effort" instead of "idle", which waits forever
// beside a busy neighbour.
const (
	ioWhoProcess  = 1
	ioBestEffort7 = 2<<13 | 7
)

// lower lowers the priority of all threads of this process: Linux counts each
// for itself, and new ones take that of the one that makes them.
func lower(nice int) error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, id, nice); err != nil && !errors.Is(err, unix.ESRCH) && !errors.Is(err, unix.EACCES) {
			return err // EACCES: it is lower already
		}
		unix.Syscall(unix.SYS_IOPRIO_SET, ioWhoProcess, uintptr(id), ioBestEffort7) //nolint:errcheck // some disks have no priorities
	}
	return nil
}
