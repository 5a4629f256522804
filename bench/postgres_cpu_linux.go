package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// adoptOrphans makes this process the parent of those that its children leave
// behind, such as servers and what they start: their CPU time can be told from
// that of the rest of the machine then.
func adoptOrphans() { unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) } //nolint:errcheck // every kernel that runs Go can

// process is what /proc/PID/stat says of a process, proc_stat(5).
type process struct {
	pid, parent string
	own         float64 // seconds
	children    float64 // seconds, of those that have ended and were waited for
}

// processes are all of the machine.
func processes() (found []process) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") //nolint:errcheck // the pattern is sound
	for _, path := range stats {
		if text, err := os.ReadFile(path); err == nil { // else it has ended
			if p, ok := parseStat(string(text)); ok {
				found = append(found, p)
			}
		}
	}
	return found
}

func parseStat(text string) (process, bool) {
	pid, rest, _ := strings.Cut(text, " ")
	// The name in brackets may hold spaces and brackets.
	fields := strings.Fields(rest[strings.LastIndexByte(rest, ')')+1:])
	if len(fields) < 15 {
		return process{}, false
	}
	seconds := func(fields ...string) (sum float64) {
		for _, field := range fields {
			ticks, _ := strconv.ParseFloat(field, 64) //nolint:errcheck // zero then
			sum += ticks / 100
		}
		return sum
	}
	return process{pid: pid, parent: fields[1], own: seconds(fields[11:13]...), children: seconds(fields[13:15]...)}, true
}

// treeCPU is what this process has started since it began, and what that has,
// all together: user and system time in seconds.
func treeCPU() float64 {
	var ended unix.Rusage
	unix.Getrusage(unix.RUSAGE_CHILDREN, &ended) //nolint:errcheck // zero then
	sum := float64(ended.Utime.Nano()+ended.Stime.Nano()) / 1e9
	children := map[string][]process{}
	for _, p := range processes() {
		children[p.parent] = append(children[p.parent], p)
	}
	for queue := children[strconv.Itoa(os.Getpid())]; len(queue) > 0; queue = queue[1:] {
		sum += queue[0].own + queue[0].children
		queue = append(queue, children[queue[0].pid]...)
	}
	return sum
}

// cpu returns the seconds that the server has computed, with those of its
// processes that have ended.
func (s *postgresServer) cpu() (seconds float64) {
	content, err := os.ReadFile(filepath.Join(s.dir, "data/postmaster.pid"))
	if err != nil {
		return 0
	}
	postmaster, _, _ := strings.Cut(string(content), "\n")
	for _, p := range processes() {
		switch postmaster {
		case p.pid:
			seconds += p.own + p.children
		case p.parent:
			seconds += p.own
		}
	}
	return seconds
}
