package cli

import (
	"os"
	"regexp"
	"strconv"
	"testing"
)

func TestConstantPages(t *testing.T) {
	for line, want := range map[string]bool{
		"00400000-01a2b000 r-xp 00000000 fd:00 1234                               /usr/bin/holdfast":           true,
		"01a2b000-03000000 r--p 0162b000 fd:00 1234                               /usr/bin/holdfast":           true,
		"03000000-03100000 rw-p 02c00000 fd:00 1234                               /usr/bin/holdfast":           false,
		"7f0000000000-7f0000100000 r--s 00000000 fd:00 99                         /var/cache/index":            false,
		"c000000000-c000400000 rw-p 00000000 00:00 0 ":                                                         false,
		"7ffd0000-7ffd2000 r-xp 00000000 00:00 0                                  [vdso]":                      false,
		"00400000-01a2b000 r-xp 00000000 fd:00 1234                               /usr/bin/holdfast (deleted)": false,
		"": false,
	} {
		start, end, ok := constantPages(line, "/usr/bin/holdfast")
		if ok != want || ok && end <= start {
			t.Errorf("%q: %x-%x, %t", line, start, end, ok)
		}
	}
}

// The program goes on as before, with fewer of its pages resident.
func TestReleaseStartMemory(t *testing.T) {
	before := residentFile(t)
	releaseStartMemory()
	if after := residentFile(t); after >= before {
		t.Errorf("%d KiB of files were resident, and %d KiB are", before, after)
	}
}

func residentFile(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`RssFile:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		t.Fatalf("no RssFile in %s", status)
	}
	kib, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kib
}
