package main

// Limits that hold for every step with a target.
const (
	// wallSlack is how much worse the wall ratio may be than the CPU ratio:
	// disks and a half-idle second core are not ours to speed up.
	wallSlack = 0.10
	// memoryRatio and memoryLimit both hold for the peak of each step.
	memoryRatio = 0.9
	memoryLimit = 128 * mib
	// sizeRatio bounds the repository after the first backup: speed is not to
	// be bought with size.
	sizeRatio = 1.02
)

// cpuTargets holds the CPU ratios by step, then by data set. A step that is
// too short to measure on a set has none.
func cpuTargets() map[step]map[string]float64 {
	return map[step]map[string]float64{
		stepFirst:     {"D1": 0.55, "D2": 0.60, "D3": 0.55},
		stepUnchanged: {"D1": 0.27, "D3": 0.35},
		stepChanged:   {"D1": 0.35, "D2": 0.50, "D3": 0.40},
		stepRestore:   {"D1": 0.40, "D2": 0.65, "D3": 0.50},
		stepCheck:     {"D1": 0.60, "D2": 0.75, "D3": 0.50},
	}
}

// measureKind is one of the figures taken at each step.
type measureKind string

const (
	kindCPU    measureKind = "CPU s"
	kindWall   measureKind = "wall s"
	kindMemory measureKind = "peak MiB"
	kindSize   measureKind = "repository MB"
)

// limitOf returns the highest ratio allowed; ok is false where nothing is
// promised.
func limitOf(k measureKind, s step, set string) (limit float64, ok bool) {
	bySet, promised := cpuTargets()[s]
	if !promised {
		return 0, false
	}
	cpu := bySet[set]
	switch k {
	case kindCPU:
		return cpu, cpu > 0
	case kindWall:
		return cpu + wallSlack, cpu > 0
	case kindMemory:
		return memoryRatio, true
	case kindSize:
		return sizeRatio, s == stepFirst
	}
	return 0, false
}
