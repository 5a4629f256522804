package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// useFreeMemory uses free memory once, at most so many bytes, and gives it back.
// In a virtual machine the host finds a page when the guest first uses it, and
// takes back what lay idle for some minutes; whoever uses it next is charged
// for that as system time: a second and more for each GB. Without this, the
// tool that comes first on a new machine, or after a quiet minute, pays for all
// others.
func useFreeMemory(most int) {
	bytes := min(most, freeMemory()/8*7)
	if bytes <= 0 {
		return
	}
	memory, err := unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return // it only makes figures steadier
	}
	for at := 0; at < bytes; at += unix.Getpagesize() {
		memory[at] = 1
	}
	unix.Munmap(memory) //nolint:errcheck // it goes with the process otherwise
}

// freeMemory returns how many bytes nothing is kept in, or what the control
// group of this process allows, if that is less.
func freeMemory() int {
	free := 0
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(meminfo)) {
		if _, err := fmt.Sscanf(line, "MemFree: %d kB", &free); err == nil {
			break
		}
	}
	free <<= 10
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if allowed, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			free = min(free, allowed/2)
		}
	}
	return free
}
