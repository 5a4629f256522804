//go:build !amd64 || !gc || purego

package compress

func readSequences(*sequenceReader) bool { panic("compress: there is no assembly") }

func readStreams(*huffmanReader, bool) { panic("compress: there is no assembly") }
