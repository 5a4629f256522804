package main

// promises says what is held against a figure.
type promises interface {
	// limit returns the highest ratio allowed for a figure of a step; ok is
	// false where nothing is promised.
	limit(k measureKind, s step, set string) (limit float64, ok bool)
	// rabinLimit does for holdfast with restic's cut points.
	rabinLimit(k measureKind, s step, set string) (limit float64, ok bool)
}

var (
	_ promises = targets{}
	_ promises = farTargets{}
)

// targets holds what holdfast promises: for a step and a data set, the highest
// ratio of its CPU time to that of restic v0.18.1 with default settings in the
// same run. A step too short to measure on a set has none.
type targets struct {
	steps map[step]map[string]float64
	// rabin holds those of a first backup with restic's cut points, for the
	// sets in which cutting counts.
	rabin map[string]float64
}

// Limits that hold for every step with targets.
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

// targetsOf returns the targets for the data sets and the place in use.
func targetsOf(quick, far bool) promises {
	switch {
	case far:
		return farTargets{}
	case quick:
		return quickTargets()
	}
	return fullTargets()
}

func fullTargets() targets {
	return targets{
		steps: map[step]map[string]float64{
			stepFirst:     {"D1": 0.55, "D2": 0.60, "D3": 0.55},
			stepUnchanged: {"D1": 0.27, "D3": 0.35},
			stepChanged:   {"D1": 0.35, "D2": 0.50, "D3": 0.40},
			stepRestore:   {"D1": 0.40, "D2": 0.65, "D3": 0.50},
			stepCheck:     {"D1": 0.60, "D2": 0.75, "D3": 0.50},
		},
		rabin: map[string]float64{"D2": 0.72},
	}
}

// quickTargets are a guard against gross mistakes. On the small sets much of
// each step is what it pays once, above all making the key from the password,
// so they only ask that the steps that move data cost no more than restic's.
func quickTargets() targets {
	same := map[string]float64{"D1": 1, "D2": 1, "D3": 1}
	return targets{steps: map[step]map[string]float64{stepFirst: same, stepRestore: same, stepCheck: same}}
}

// measureKind is one of the figures taken at each step.
type measureKind string

const (
	kindCPU    measureKind = "CPU s"
	kindWall   measureKind = "wall s"
	kindMemory measureKind = "peak MiB"
	kindSize   measureKind = "repository MB"

	// With a line only:
	kindRequests measureKind = "requests"
	kindLine     measureKind = "line busy %"
	// kindOthers tells whether the simulated service had to wait for a
	// processor: with all of them busy, a wall time is that of the machine.
	kindOthers measureKind = "CPUs of others"
)

func (t targets) limit(k measureKind, s step, set string) (limit float64, ok bool) {
	bySet, promised := t.steps[s]
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

func (t targets) rabinLimit(k measureKind, s step, set string) (limit float64, ok bool) {
	limit, promised := t.rabin[set]
	return limit, promised && k == kindCPU && s == stepFirst
}

// farTargets are those for repositories behind a line. Where the line is what
// takes time nobody can be much faster than others who fill it; where round
// trips are, as with small files and when nothing changed, half of restic's
// time is promised. Where the line is the bound there, too, the report says so:
// see row.explain. Requests cost money, so there are never more of them.
type farTargets struct{}

func (farTargets) limit(k measureKind, s step, set string) (limit float64, ok bool) {
	switch {
	case s == stepInit:
		return 0, false
	case k == kindWall && (s == stepUnchanged || s == stepFirst && set == "D3"):
		return 0.5, true
	case k == kindWall, k == kindRequests:
		return 1, true
	case k == kindMemory:
		return memoryRatio, true
	case k == kindSize:
		return sizeRatio, s == stepFirst
	}
	return 0, false
}

func (farTargets) rabinLimit(measureKind, step, string) (limit float64, ok bool) { return 0, false }
