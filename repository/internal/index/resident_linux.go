package index

import (
	"os"

	"golang.org/x/sys/unix"
)

// letGo takes the pages of a part of a mapped file out of this process's
// memory: they stay in that of the system, and come back when they are used.
func letGo(mapped []byte, from, to int) {
	page := os.Getpagesize()
	from, to = (from+page-1)/page*page, min(to, len(mapped))/page*page
	if from < to {
		_ = unix.Madvise(mapped[from:to], unix.MADV_DONTNEED) // an advice
	}
}
