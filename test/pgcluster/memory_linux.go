package pgcluster

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// memoryLine is the line of postmaster.pid that names the server's shared memory:
// its key and its ID.
const memoryLine = 6

// removeMemory removes the shared memory of a server that was killed, and is not
// started again: a machine has some thousand of it.
func (c *Cluster) removeMemory() {
	content, err := os.ReadFile(filepath.Join(c.Data, "postmaster.pid"))
	if err != nil {
		return // it was stopped in order
	}
	lines := strings.Split(string(content), "\n")
	if len(lines) <= memoryLine {
		return
	}
	fields := strings.Fields(lines[memoryLine])
	if len(fields) != 2 {
		return
	}
	if id, err := strconv.Atoi(fields[1]); err == nil {
		unix.SysvShmCtl(id, unix.IPC_RMID, nil) //nolint:errcheck // it is gone
	}
}
