//go:build gc && !purego

package poly1305

import "golang.org/x/sys/cpu"

// groups adds n groups of four blocks, at least one, to a sum that is zero, and
// multiplies it by r for each block. The limbs of the sum have up to 29 bits.
//
//go:noescape
func groups(sum *[5]uint64, m *multipliers, p *byte, n int)

func inGroups() bool { return cpu.X86.HasAVX2 }
