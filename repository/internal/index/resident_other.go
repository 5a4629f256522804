//go:build !linux

package index

// letGo would take pages of a mapped file out of this process's memory; here
// the system does so when it is short of memory.
func letGo([]byte, int, int) {}
