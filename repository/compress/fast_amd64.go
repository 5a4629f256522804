//go:build gc && !purego

package compress

import "golang.org/x/sys/cpu"

// hasFast tells whether this CPU has the instructions of the assembly.
func hasFast() bool { return cpu.X86.HasAVX2 && cpu.X86.HasBMI1 && cpu.X86.HasBMI2 }

// find finds the matches of the block that s is about.
func find(s *searcher) {
	if hasFast() {
		findFast(s)
		return
	}
	findPlainly(s)
}

// writeStates writes the sequences of w, of which there is at least one.
func writeStates(w *stateWriter) {
	if hasFast() {
		writeStatesFast(w)
		return
	}
	writeStatesPlainly(w)
}

//go:noescape
func findFast(s *searcher)

//go:noescape
func writeStatesFast(w *stateWriter)
