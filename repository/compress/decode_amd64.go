//go:build gc && !purego

package compress

// readSequences is the sequenceReader's with assembly.
func readSequences(s *sequenceReader) bool {
	if !readSequencesFast(s) {
		return false
	}
	s.literals = s.literals[s.used:]
	return true
}

// The states of a sequence are read from the word that its values are taken
// from, if those leave as many bits.
const _ uint = leastWord - mostStateBits

// patterns have for each offset up to 16 which of the bytes that far back come
// next, and patternSteps how many are whole repetitions of them.
var (
	patterns     = makePatterns()
	patternSteps = [16]uint8{0, 16, 16, 15, 16, 15, 12, 14, 16, 9, 10, 11, 12, 13, 14, 15}
)

func makePatterns() (p [16][16]uint8) {
	for offset := 1; offset < len(p); offset++ {
		for n := range p[offset] {
			p[offset][n] = uint8(n % offset) //nolint:gosec // less than 16
		}
	}
	return p
}

// readStreams reads from the first of the streams, or from all four side by
// side, and leaves some at the end.
func readStreams(h *huffmanReader, four bool) {
	streams, read := h.streams[:1], readStreamFast
	if four {
		streams, read = h.streams[:], readStreamsFast
	}
	// The last stream is the shortest.
	rounds := len(streams[len(streams)-1].literals) / together
	for n := range streams {
		if streams[n].bits < 64 {
			rounds = 0
		}
	}
	if rounds == 0 {
		return
	}
	done := together * read(h, rounds)
	for n := range streams {
		streams[n].literals = streams[n].literals[done:]
	}
}

//go:noescape
func readStreamFast(h *huffmanReader, rounds int) (done int)

//go:noescape
func readStreamsFast(h *huffmanReader, rounds int) (done int)

//go:noescape
func readSequencesFast(s *sequenceReader) bool
