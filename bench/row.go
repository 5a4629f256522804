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
	// Ours is the tool that the ratio and the target are of.
	Ours   string  `json:"ours"`
	Ratio  float64 `json:"ratio,omitempty"`
	Limit  float64 `json:"limit,omitempty"`
	Result result  `json:"result,omitempty"`
	Why    string  `json:"why,omitempty"` // of a result that the ratio does not show
	// Disturbed says that other processes were busy while a tool of the ratio
	// ran. A wall time that missed its target then is not held against it.
	Disturbed bool `json:"disturbed,omitempty"`
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
func rowsOf(cycles []cycle, set string, tools []string, t promises) []row {
	var rows []row
	for _, s := range allSteps() {
		for _, k := range []measureKind{kindCPU, kindWall, kindMemory, kindSize, kindRequests, kindLine, kindOthers} {
			r := row{Set: set, Step: s, Kind: k, Ours: holdfastName, Median: map[string]float64{}}
			for _, tool := range tools {
				if values := figures(of(cycles, set, tool), s, k); len(values) > 0 {
					r.Median[tool] = median(values)
				}
			}
			if len(r.Median) > 0 {
				r.Disturbed = k == kindWall && disturbed(cycles, set, s)
				r.judge(t.limit(k, s, set))
				r.explain(figures(of(cycles, set, holdfastName), s, kindLine))
				rows = append(rows, r)
			}
			if limit, promised := t.rabinLimit(k, s, set); promised && r.Median[rabinName] > 0 {
				r.Ours, r.Result, r.Why = rabinName, unmeasured, ""
				r.judge(limit, promised)
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
		case u.Far == nil:
		case k == kindRequests:
			values = append(values, float64(u.Far.total()))
		case k == kindLine:
			values = append(values, 100*u.Far.Share)
		case k == kindOthers:
			values = append(values, u.OthersBusy)
		}
	}
	return values
}

// quiet is how many CPUs of other work a step bears before its wall time counts
// as disturbed.
const quiet = 0.2

// disturbed says whether more than quiet was busy beside holdfast or restic in
// any of their cycles. A distant store is simulated here and always busy.
func disturbed(cycles []cycle, set string, s step) bool {
	busy := func(c cycle) bool { return c.Usage[s].Far == nil && c.Usage[s].OthersBusy > quiet }
	return slices.ContainsFunc(of(cycles, set, holdfastName), busy) || slices.ContainsFunc(of(cycles, set, baselineName), busy)
}

// judge fills in the ratio and holds it against the limit, if one is promised.
func (r *row) judge(limit float64, promised bool) {
	if promised {
		r.Limit = limit
	}
	ours, have := r.Median[r.Ours]
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
	if r.Result == missed && r.Disturbed {
		r.Why = "(machine was busy)"
	}
	if r.Kind == kindMemory && ours > memoryLimit/mib {
		r.Result = missed
		r.Why = fmt.Sprintf("%.0f MiB is above %d", ours, memoryLimit/mib)
	}
}

// fullLine is from how much of its time on, in percent, a line is the bound.
const fullLine = 85

// explain says of a missed target of wall time that the line was what took the
// time, as the shares of it say in which it was busy: nobody sends more than
// fits. It stays missed.
func (r *row) explain(shares []float64) {
	if r.Kind != kindWall || r.Result != missed || r.Ratio > 1 || len(shares) == 0 || median(shares) < fullLine {
		return
	}
	r.Why = fmt.Sprintf("(the line is the bound: %.0f %% busy)", median(shares))
}

// median of values, which must not be empty.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
