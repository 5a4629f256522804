//go:build !amd64 || !gc || purego

package compress

func find(s *searcher) { findPlainly(s) }

func writeStates(w *stateWriter) { writeStatesPlainly(w) }
