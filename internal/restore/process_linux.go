package restore

import (
	"bytes"
	"os"
	"strconv"
)

// thisProcess tells what this process may do. The umask is read from /proc,
// since asking the kernel would change it for a moment, for all threads.
func thisProcess() process {
	p := process{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid()), umask: -1} //nolint:gosec // IDs are 32 bits
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return p
	}
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte("Umask:")); ok {
			mask, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 8, 9)
			if err == nil && mask&0o700 == 0 { // an odd one is not worth reckoning with
				p.umask = int32(mask)
			}
		}
	}
	return p
}
