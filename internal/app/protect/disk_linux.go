package protect

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// SameDisk tells whether losing one disk can lose what is at both paths: they
// are on one file system, or on partitions or volumes of one disk.
func SameDisk(a, b string) (bool, error) {
	var sa, sb unix.Stat_t
	if err := unix.Stat(a, &sa); err != nil {
		return false, fmt.Errorf("stat %s: %w", a, err)
	}
	if err := unix.Stat(b, &sb); err != nil {
		return false, fmt.Errorf("stat %s: %w", b, err)
	}
	if sa.Dev == sb.Dev {
		return true, nil
	}
	others := disksOf(b, uint64(sb.Dev))
	return slices.ContainsFunc(disksOf(a, uint64(sa.Dev)), func(disk string) bool { return slices.Contains(others, disk) }), nil
}

// disksOf names the disks that the file system at path is on, as far as the
// kernel tells: none for a network or a memory.
func disksOf(path string, device uint64) []string {
	if unix.Major(device) == 0 { // a file system with devices of its own: btrfs, overlay
		mounted, ok := mountedDevice(path)
		if !ok {
			return nil
		}
		device = mounted
	}
	dir, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(device), unix.Minor(device)))
	if err != nil {
		return nil
	}
	return disksBelow(dir, 0)
}

// maxStack bounds how deep devices are stacked: crypt on logical volume on
// RAID on partition is 4.
const maxStack = 16

// disksBelow follows a block device down to the disks it is made of.
func disksBelow(dir string, depth int) []string {
	if depth > maxStack {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		dir = filepath.Dir(dir)
	}
	slaves, err := os.ReadDir(filepath.Join(dir, "slaves"))
	if err != nil || len(slaves) == 0 {
		return []string{filepath.Base(dir)}
	}
	var disks []string
	for _, slave := range slaves {
		if below, err := filepath.EvalSymlinks(filepath.Join(dir, "slaves", slave.Name())); err == nil {
			disks = append(disks, disksBelow(below, depth+1)...)
		}
	}
	return disks
}

// mountedDevice returns the block device that is mounted at or above path.
func mountedDevice(path string) (uint64, bool) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return 0, false
	}
	defer f.Close() //nolint:errcheck // it was only read
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	var at, from string
	// What mountinfo does to white space in paths.
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// 36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/sda2 rw
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if len(fields) < 5 || len(kind) < 2 {
			continue
		}
		if point := unescape.Replace(fields[4]); len(point) >= len(at) && contains(point, path) {
			at, from = point, unescape.Replace(kind[1])
		}
	}
	var st unix.Stat_t
	if !strings.HasPrefix(from, "/dev/") || unix.Stat(from, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return 0, false
	}
	return uint64(st.Rdev), true //nolint:unconvert // narrower on some machines
}
