package protect_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"holdfast/internal/app/protect"
)

func TestSameDisk(t *testing.T) {
	here := t.TempDir()
	if same, err := protect.SameDisk(here, t.TempDir()); err != nil || !same {
		t.Errorf("two folders of one file system: %v, %v", same, err)
	}
	// A file system in memory is on no disk at all.
	const memory = "/dev/shm"
	var disk, there unix.Stat_t
	if unix.Stat(here, &disk) != nil || unix.Stat(memory, &there) != nil || disk.Dev == there.Dev {
		t.Skip("no other file system at " + memory)
	}
	if same, err := protect.SameDisk(here, memory); err != nil || same {
		t.Errorf("a folder and one in memory: %v, %v", same, err)
	}
	if _, err := protect.SameDisk(here, here+"/none"); err == nil {
		t.Error("a place that is not there is on a disk")
	}
}
