//go:build gc && !purego

package scrypt

import "golang.org/x/sys/cpu"

// mixAVX2 is a mixer.
//
//go:noescape
func mixAVX2(mixes *[lanes]mix, r int)

// mixAVX512 is one of fewer instructions.
//
//go:noescape
func mixAVX512(mixes *[lanes]mix, r int)

// waysToMix returns those that this CPU has the instructions for, best first.
func waysToMix() []mixer {
	var ways []mixer
	if cpu.X86.HasAVX2 && cpu.X86.HasAVX512VL {
		ways = append(ways, mixAVX512)
	}
	if cpu.X86.HasAVX2 {
		ways = append(ways, mixAVX2)
	}
	return ways
}
