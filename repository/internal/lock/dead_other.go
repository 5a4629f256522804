//go:build !linux

package lock

// thisProcess tells nothing: processes cannot be told apart for sure here.
func thisProcess() Process { return Process{} }

func isAlive(int, uint64) bool { return true }
