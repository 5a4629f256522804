package console

import (
	"bytes"
	"os"
	"strings"
)

// privateTemp returns the folder for temporary files that a target is in, if
// systemd has given the service one that nobody else sees (PrivateTmp of
// systemd.exec(5)); "" else.
func privateTemp(target string) string {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "" // not on Linux
	}
	return privateMount(mounts, target)
}

// privateMount finds it among the mounts of a process, as proc(5) has them: the
// fourth field is what is mounted, the fifth where.
func privateMount(mounts []byte, target string) string {
	for line := range bytes.Lines(mounts) {
		fields := strings.Fields(string(line))
		if len(fields) < 5 || !strings.Contains(fields[3], "/systemd-private-") {
			continue
		}
		if where := fields[4]; target == where || isIn(target, where) {
			return where
		}
	}
	return ""
}
