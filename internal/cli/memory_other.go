//go:build !linux

package cli

// releaseStartMemory does nothing here: pages of programs are not counted, or
// cannot be given back one by one.
func releaseStartMemory() {}
