//go:build !amd64 || !gc || purego

package digest

func hasInstructions() bool { return false }

func blocks(*[8]uint32, *byte, int) { panic("digest: no such instructions") }

func twoBlocks(_, _ *[8]uint32, _, _ *byte, _ int) { panic("digest: no such instructions") }
