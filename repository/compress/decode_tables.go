package compress

// The cells of all codes, without states.
var lengthCells, offsetCells, matchCells = makeCells()

func makeCells() (lengths [literalsCodeEnd]cell, offsets [offsetCodeEnd]cell, matches [matchCodeEnd]cell) {
	at := uint64(0)
	for n := range lengths {
		lengths[n] = at<<cellValue | uint64(literalsBits[n])
		at += 1 << literalsBits[n]
	}
	at = minMatch
	for n := range matches {
		matches[n] = at<<cellValue | uint64(matchBits[n])
		at += 1 << matchBits[n]
	}
	for n := range offsets {
		offsets[n] = 1<<(n+cellValue) | uint64(n) //nolint:gosec // not negative
	}
	return lengths, offsets, matches
}

// fixedTable is a table that the format defines.
type fixedTable struct {
	cells [1 << 6]cell
	log   int
}

var (
	fixedLengths = makeFixed(fixedLengthsLog, fixedLengthsNorm[:], lengthCells[:])
	fixedOffsets = makeFixed(fixedOffsetsLog, fixedOffsetsNorm[:], offsetCells[:])
	fixedMatches = makeFixed(fixedMatchesLog, fixedMatchesNorm[:], matchCells[:])
)

func makeFixed(log int, norm []int16, values []cell) (f fixedTable) {
	n := fseNorm{log: log, codes: len(norm)}
	copy(n.cells[:], norm)
	var t cellTable
	t.build(&n, values)
	copy(f.cells[:], t.cells[:1<<log])
	f.log = log
	return f
}

func (f *fixedTable) copyTo(t *cellTable) {
	copy(t.cells[:], f.cells[:1<<f.log])
	t.log, t.known = f.log, true
}
