//go:build unix

package cli

import (
	"fmt"
	"os"
	"syscall"
)

// toJournal tells whether standard error is systemd's journal, which others may
// read. See "JOURNAL_STREAM" in systemd.exec(5): shells hand the variable on,
// so the file is compared as well.
func toJournal() bool {
	info, err := os.Stderr.Stat()
	if err != nil {
		return false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", s.Dev, s.Ino)
}
