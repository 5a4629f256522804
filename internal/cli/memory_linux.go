package cli

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseStartMemory gives back the program's own pages that only its start
// needed: what is linked in prepares itself then, and is most of what is
// resident in a small command. The kernel still has them, and maps again what
// is used again.
func releaseStartMemory() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		if start, end, ok := constantPages(lines.Text(), program); ok {
			// A failure leaves them where they are.
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, start, end-start, unix.MADV_DONTNEED)
		}
	}
}

// constantPages reads a line of /proc/PID/maps, and returns which addresses it
// tells of if they hold a part of the program that cannot be written to: see
// proc_pid_maps(5).
func constantPages(line, program string) (start, end uintptr, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 || strings.Join(fields[5:], " ") != program || len(fields[1]) != 4 || fields[1][1] != '-' {
		return 0, 0, false
	}
	first, last, _ := strings.Cut(fields[0], "-")
	from, err1 := strconv.ParseUint(first, 16, strconv.IntSize)
	to, err2 := strconv.ParseUint(last, 16, strconv.IntSize)
	return uintptr(from), uintptr(to), err1 == nil && err2 == nil && from < to
}
