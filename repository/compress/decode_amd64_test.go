//go:build gc && !purego

package compress

import "testing"

// TestPatterns repeats what is written at a time as the bytes before it would be.
func TestPatterns(t *testing.T) {
	for offset := 1; offset < len(patterns); offset++ {
		step := int(patternSteps[offset])
		if step%offset != 0 || step > 16 || step+offset <= 16 {
			t.Errorf("offset %d: %d bytes at a time", offset, step)
		}
		for n, from := range patterns[offset] {
			if int(from) != n%offset {
				t.Errorf("offset %d: byte %d is byte %d", offset, n, from)
			}
		}
	}
}
