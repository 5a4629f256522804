package main

import (
	"os"
	"strconv"
	"strings"
)

// busySeconds is the CPU time that all processes of the machine have used
// since it started; what a hypervisor took for others is part of it.
func busySeconds() float64 {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	return parseBusy(string(stat))
}

// parseBusy reads the first line of /proc/stat, proc_stat(5): user, nice,
// system, idle, iowait, irq, softirq, steal, in ticks of 1/100 s.
func parseBusy(stat string) float64 {
	line, _, _ := strings.Cut(stat, "\n")
	var ticks float64
	for i, field := range strings.Fields(line) {
		const name, idle, iowait, steal = 0, 4, 5, 8
		if i == name || i == idle || i == iowait || i > steal {
			continue
		}
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return ticks / 100
}
