//go:build !amd64 || !gc || purego

package compress

func hasFast() bool { return false }

func find(s *searcher) { findPlainly(s) }

func writeStates(w *stateWriter) { writeStatesPlainly(w) }
