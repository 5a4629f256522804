package chunk

// One fingerprint is a chain: each byte waits for the look-up of the byte
// before. A processor can follow several such chains at once, so a stretch
// of data is divided into lanes that are scanned side by side. Only each
// lane's window has to be read once more at its start.
const (
	laneCount = 4
	laneSize  = 4 * kiB
)

// lanes is a stretch of data to scan, after the window before it.
type lanes [windowSize + laneCount*laneSize]byte

// scanLanes looks for a cut point in the stretch. It returns the index,
// counted from the end of the leading window, of the byte that completes the
// first one, or -1 and the fingerprint at the end of the stretch.
func (t *rabinTables) scanLanes(data *lanes, d0 uint64) (hit int, digest uint64) {
	d1 := t.windowAt(data, 1)
	d2 := t.windowAt(data, 2)
	d3 := t.windowAt(data, 3)
	hit = -1
	for i := range laneSize {
		d0 = t.step(d0, data[i], data[i+windowSize])
		d1 = t.step(d1, data[i+laneSize], data[i+laneSize+windowSize])
		d2 = t.step(d2, data[i+2*laneSize], data[i+2*laneSize+windowSize])
		d3 = t.step(d3, data[i+3*laneSize], data[i+3*laneSize+windowSize])
		if d0&rabinCutMask == 0 {
			return i, 0
		}
		if d1&rabinCutMask == 0 && (hit < 0 || hit > i+laneSize) {
			hit = i + laneSize
		}
		if d2&rabinCutMask == 0 && (hit < 0 || hit > i+2*laneSize) {
			hit = i + 2*laneSize
		}
		if d3&rabinCutMask == 0 && hit < 0 {
			hit = i + 3*laneSize
		}
	}
	return hit, d3
}

// windowAt returns the fingerprint of the window before the given lane.
func (t *rabinTables) windowAt(data *lanes, lane int) uint64 {
	var digest uint64
	for _, b := range data[lane*laneSize:][:windowSize] {
		digest = t.step(digest, 0, b)
	}
	return digest
}
