//go:build !amd64 || !gc || purego

package poly1305

func inGroups() bool { return false }

func groups(*[5]uint64, *multipliers, *byte, int) { panic("poly1305: no such instructions") }
