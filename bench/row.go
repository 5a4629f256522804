package main

import (
	"fmt"
	"slices"
)

// row is one line of a table: one figure of one step on one data set, the
// median of each tool's cycles.
type row struct {
	Set    string             `json:"set"`
	Step   step               `json:"step"`
	Kind   measureKind        `json:"measure"`
	Median map[string]float64 `json:"median"` // by tool
	Ratio  float64            `json:"ratio,omitempty"`
	Limit  float64            `json:"limit,omitempty"`
	Result result             `json:"result,omitempty"`
	Why    string             `json:"why,omitempty"` // of a miss that the ratio does not show
}

// result tells whether a target was kept. It is empty where there is none, or
// nothing to compare.
type result string

const (
	met        result = "met"
	missed     result = "missed"
	unmeasured result = ""
)

// rowsOf makes the rows of one data set.
func rowsOf(cycles []cycle, set string, tools []string) []row {
	var rows []row
	for _, s := range allSteps() {
		for _, k := range []measureKind{kindCPU, kindWall, kindMemory, kindSize} {
			r := row{Set: set, Step: s, Kind: k, Median: map[string]float64{}}
			for _, tool := range tools {
				if values := figures(of(cycles, set, tool), s, k); len(values) > 0 {
					r.Median[tool] = median(values)
				}
			}
			if len(r.Median) > 0 {
				r.judge()
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// figures returns one figure of a step for each cycle that has it, in the unit
// of its kind.
func figures(cycles []cycle, s step, k measureKind) []float64 {
	var values []float64
	for _, c := range cycles {
		u, measured := c.Usage[s]
		size, sized := c.Sizes[s]
		switch {
		case k == kindSize && sized:
			values = append(values, float64(size)/1e6)
		case k == kindSize || !measured:
		case k == kindCPU:
			values = append(values, u.CPUSeconds)
		case k == kindWall:
			values = append(values, u.WallSeconds)
		case k == kindMemory:
			values = append(values, float64(u.PeakBytes)/mib)
		}
	}
	return values
}

// judge fills in the ratio and holds it against the target.
func (r *row) judge() {
	limit, promised := limitOf(r.Kind, r.Step, r.Set)
	if promised {
		r.Limit = limit
	}
	ours, have := r.Median[holdfastName]
	theirs, haveBaseline := r.Median[baselineName]
	if !have || !haveBaseline || theirs == 0 {
		return
	}
	r.Ratio = ours / theirs
	if !promised {
		return
	}
	r.Result = met
	if r.Ratio > limit {
		r.Result = missed
	}
	if r.Kind == kindMemory && ours > memoryLimit/mib {
		r.Result = missed
		r.Why = fmt.Sprintf("%.0f MiB is above %d", ours, memoryLimit/mib)
	}
}

// median of values, which must not be empty.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
