// Package processes finds processes on this host, for tests that wait for their end.
package processes

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// With returns the other processes on this host that have all the
// texts in their arguments or their environment, each of which ends in a zero.
// Those that end meanwhile, and those of users that may not be asked, are left
// out.
func With(texts ...string) (pids []int) {
	found, _ := filepath.Glob("/proc/[0-9]*") //nolint:errcheck // the pattern is sound
	for _, process := range found {
		pid, _ := strconv.Atoi(filepath.Base(process)) //nolint:errcheck // the pattern is of numbers
		if pid != os.Getpid() && hasAll(process, texts) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func hasAll(process string, texts []string) bool {
	environment, err := os.ReadFile(filepath.Join(process, "environ"))
	if err != nil {
		return false
	}
	arguments, err := os.ReadFile(filepath.Join(process, "cmdline"))
	if err != nil {
		return false
	}
	known := string(bytes.Join([][]byte{arguments, environment}, nil))
	for _, text := range texts {
		if !strings.Contains(known, text) {
			return false
		}
	}
	return true
}
