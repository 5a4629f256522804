package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.values, got, c.want)
		}
	}
}

func TestRowsJudge(t *testing.T) {
	cycles := []cycle{
		first("restic", 10, 12, 200*mib, 1000),
		first(holdfastName, 5, 8, 150*mib, 1010),
	}
	rows := map[measureKind]row{}
	for _, r := range rowsOf(cycles, "D1", []string{holdfastName, baselineName}, fullTargets()) {
		rows[r.Kind] = r
	}
	for kind, want := range map[measureKind]result{
		kindCPU:    met,    // 0.50 of 0.55
		kindWall:   missed, // 0.67 of 0.65
		kindMemory: missed, // 0.75 of 0.9, yet above 128 MiB
		kindSize:   met,    // 1.01 of 1.02
	} {
		if got := rows[kind]; got.Result != want {
			t.Errorf("%s: %+v, want %s", kind, got, want)
		}
	}
	if rows[kindMemory].Why == "" {
		t.Error("the miss of memory gives no reason")
	}
}

// Nobody sends more than a line carries: a target that is missed where it is
// full stays missed, and the report says why.
func TestAFullLineIsTheBound(t *testing.T) {
	for _, c := range []struct {
		wall, share float64
		want        result
		explained   bool
	}{{4, 0.5, met, false}, {8, 0.9, missed, true}, {8, 0.8, missed, false}, {11, 0.9, missed, false}} {
		cycles := []cycle{first(baselineName, 10, 10, 1, 1), first(holdfastName, 5, c.wall, 1, 1)}
		for n := range cycles {
			cycles[n].Set = "D3"
			u := cycles[n].Usage[stepFirst]
			u.Far = &traffic{Share: c.share}
			cycles[n].Usage[stepFirst] = u
		}
		for _, r := range rowsOf(cycles, "D3", []string{holdfastName, baselineName}, farTargets{}) {
			if r.Kind == kindWall && (r.Result != c.want || (r.Why != "") != c.explained) {
				t.Errorf("%.0f s of 10, line busy for %.1f: %+v, want %s", c.wall, c.share, r, c.want)
			}
		}
	}
}

func TestRowOfResticsCutPoints(t *testing.T) {
	cycles := []cycle{first(baselineName, 10, 10, 1, 1), first(holdfastName, 5, 5, 1, 1), first(rabinName, 8, 8, 1, 1)}
	for n := range cycles {
		cycles[n].Set = "D2"
	}
	var of []row
	for _, r := range rowsOf(cycles, "D2", []string{holdfastName, rabinName, baselineName}, fullTargets()) {
		if r.Ours == rabinName {
			of = append(of, r)
		}
	}
	if len(of) != 1 || of[0].Ratio != 0.8 || of[0].Limit != 0.72 || of[0].Result != missed {
		t.Errorf("rows of restic's cut points: %+v, want one that missed 0.72 with 0.80", of)
	}
}

func TestWallMissedOnABusyMachineIsNotEnforced(t *testing.T) {
	ours, theirs := first(holdfastName, 1, 20, 1, 1), first(baselineName, 10, 10, 10, 1)
	rep := report{Tools: []version{{Name: holdfastName}, {Name: baselineName}}, Sets: []setSize{{Name: "D1"}}, Cycles: []cycle{ours, theirs}}
	rep.fill()
	if rep.verdict(true) == nil {
		t.Error("a wall time missed on a quiet machine is no error")
	}
	busy := ours.Usage[stepFirst]
	busy.OthersBusy = 1
	ours.Usage[stepFirst] = busy
	rep.fill()
	if err := rep.verdict(true); err != nil {
		t.Errorf("on a busy machine: %v", err)
	}
}

func TestRowsWithoutATarget(t *testing.T) {
	init := func(tool string, cpu float64) cycle {
		return cycle{Set: "D1", Tool: tool, Usage: map[step]usage{stepInit: {CPUSeconds: cpu}}}
	}
	for _, r := range rowsOf([]cycle{init(holdfastName, 2), init(baselineName, 1)}, "D1", []string{holdfastName, baselineName}, fullTargets()) {
		if r.Result != unmeasured || r.Limit != 0 {
			t.Errorf("%s: %+v, want no verdict", r.Kind, r)
		}
	}
	alone := rowsOf([]cycle{first(baselineName, 1, 1, 1, 1)}, "D1", []string{holdfastName, baselineName}, fullTargets())
	for _, r := range alone {
		if r.Result != unmeasured || r.Ratio != 0 {
			t.Errorf("%s without holdfast: %+v, want no verdict", r.Kind, r)
		}
	}
}

func TestEveryTargetIsForAKnownSetAndStep(t *testing.T) {
	sets := strings.Join(setNames(), " ")
	steps := joinSteps(allSteps())
	for s, bySet := range fullTargets().steps {
		if !strings.Contains(steps, string(s)) {
			t.Errorf("target for unknown step %s", s)
		}
		for set, limit := range bySet {
			if !strings.Contains(sets, set) || limit <= 0 || limit >= 1 {
				t.Errorf("%s %s: odd target %v", s, set, limit)
			}
		}
	}
}

func TestReportTable(t *testing.T) {
	rep := report{
		Machine: "test", Runs: 1,
		Tools:   []version{{holdfastName, "holdfast 1"}, {baselineName, "restic 0.18.1"}},
		Missing: []missing{{"borg", "no python"}},
		Sets:    []setSize{{Name: "D1", Title: "source tree", Files: 3, Bytes: 2e9}},
		Cycles:  []cycle{first(holdfastName, 6, 6, 100*mib, 1000), first(baselineName, 10, 10, 200*mib, 1000)},
	}
	rep.fill()
	var b bytes.Buffer
	if err := rep.print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"- borg: not had: no python",
		"### D1: source tree, 3 files, 2000 MB",
		"| step | figure | holdfast | restic | ratio | target | |",
		"|---|---|--:|--:|--:|--:|---|",
		"| first backup | CPU s | 6.00 | 10.00 | 0.60 | ≤ 0.55 | **missed** |",
		"| first backup | wall s | 6.00 | 10.00 | 0.60 | ≤ 0.65 | met |",
		"| first backup | peak MiB | 100 | 200 | 0.50 | ≤ 0.90 | met |",
	} {
		if !strings.Contains(b.String(), want+"\n") {
			t.Errorf("the report lacks %q:\n%s", want, b.String())
		}
	}
	if err := rep.verdict(false); err != nil {
		t.Errorf("without -enforce: %v", err)
	}
	if err := rep.verdict(true); err == nil || !strings.Contains(err.Error(), "D1 first CPU s") {
		t.Errorf("with -enforce: %v, want the missed target", err)
	}
}

func TestVerdict(t *testing.T) {
	broken := report{Cycles: []cycle{{Tool: holdfastName, Error: "restore: differs"}}}
	if broken.verdict(false) == nil {
		t.Error("a failed holdfast is no error")
	}
	peer := report{Cycles: []cycle{{Tool: "borg", Error: "crash"}}}
	if err := peer.verdict(false); err != nil {
		t.Errorf("a failed peer: %v", err)
	}
	if peer.verdict(true) == nil {
		t.Error("-enforce with nothing compared is no error")
	}
}

// first is a cycle of a first backup on D1.
func first(tool string, cpu, wall float64, peak, size int64) cycle {
	return cycle{
		Set: "D1", Tool: tool,
		Usage: map[step]usage{stepFirst: {WallSeconds: wall, CPUSeconds: cpu, PeakBytes: peak}},
		Sizes: map[step]int64{stepFirst: size * 1e6},
	}
}
