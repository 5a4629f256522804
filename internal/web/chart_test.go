package web

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/internal/api"
	"holdfast/internal/objective"
)

var noon = time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC)

func TestGrowthIsDrawnAndTold(t *testing.T) {
	c := growthChart("offsite", []api.GrowthPoint{
		{Time: noon, Bytes: 1 << 30},
		{Time: noon.AddDate(0, 0, 10), Bytes: 3 << 30},
		{Time: noon.AddDate(0, 0, 20), Bytes: 2 << 30},
	})
	if want := "M0 150 L300 50 L600 100"; c.Line != want {
		t.Errorf("line is %q, want %q", c.Line, want)
	}
	if got, want := c.Summary, "2.000 GiB on 2026-11-25 12:00 UTC, 1.000 GiB more than on 2026-11-05 12:00 UTC."; got != want {
		t.Errorf("summary is %q, want %q", got, want)
	}
	if len(c.Rows) != 3 || c.Rows[1][1] != "3.000 GiB" {
		t.Errorf("the table says %q", c.Rows)
	}
	if got := strings.Join(c.YLabels, " "); got != "4 GiB 3 GiB 2 GiB 1 GiB 0 B" {
		t.Errorf("labels are %q", got)
	}
	if got := strings.Join(c.XLabels, ", "); got != "5 Nov 2026, 15 Nov 2026, 25 Nov 2026" {
		t.Errorf("labels are %q", got)
	}
}

func TestChartsOfNothing(t *testing.T) {
	if growthChart("r", nil) != nil || restoreTimes(nil) != nil || sparkline(nil) != nil || timelineOf(nil, nil, noon) != nil {
		t.Error("a chart is drawn of nothing")
	}
	if runDays(nil, noon, noon.AddDate(0, 0, 7)) != nil {
		t.Error("days are drawn without runs")
	}
	if gaugeOf("RPO", api.Standing{State: objective.Unknown, Promised: 60}) != nil {
		t.Error("a gauge is drawn of what was not measured")
	}
	one := growthChart("r", []api.GrowthPoint{{Time: noon, Bytes: 5}})
	if len(one.Dots) != 1 || one.Area != "" {
		t.Errorf("one figure is drawn as %+v", one)
	}
}

func TestRunsAreCountedByDay(t *testing.T) {
	runs := []api.Run{
		{Started: noon, Outcome: "succeeded"},
		{Started: noon.Add(time.Hour), Outcome: "failed"},
		{Started: noon.AddDate(0, 0, 1), Outcome: "partial"},
		{Started: noon.AddDate(0, 0, 1), Outcome: "interrupted"},
		{Started: noon.AddDate(0, 0, 1), Outcome: api.Running},
		{Started: noon.AddDate(0, 0, 9), Outcome: "succeeded"}, // too late
	}
	c := runDays(runs, noon, noon.AddDate(0, 0, 3))
	if got, want := c.Summary, "1 succeeded, 2 were partial or interrupted and 1 failed in 4 days."; got != want {
		t.Errorf("summary is %q, want %q", got, want)
	}
	if len(c.Bars) != 3 || len(c.Rows) != 2 {
		t.Errorf("%d bars and %d rows", len(c.Bars), len(c.Rows))
	}
}

func TestGaugeShowsWhatIsOver(t *testing.T) {
	kept := gaugeOf("RPO", api.Standing{State: objective.Met, Measured: 300, Promised: 900})
	if kept.Fill != "22.2" || kept.Mark != "66.7" || kept.Title != "RPO: 5 min measured, 15 min promised" {
		t.Errorf("a kept promise is drawn as %+v", kept)
	}
	broken := gaugeOf("RPO", api.Standing{State: objective.Breached, Measured: 9000, Promised: 900})
	if broken.Fill != "95.2" || broken.Mark != "9.5" {
		t.Errorf("a broken promise is drawn as %+v", broken)
	}
}

func TestTimelineCoversTheLog(t *testing.T) {
	points := []time.Time{noon.Add(2 * time.Hour), noon.Add(time.Hour), noon}
	line := timelineOf(points, []span{{noon, noon.Add(4 * time.Hour)}}, noon.Add(time.Hour))
	if len(line.Ticks) != 4 || line.Ticks[3].Class != "chosen" || line.Spans[0].W != "600" {
		t.Errorf("drawn as %+v", line)
	}
	if !strings.Contains(line.Title, "3 snapshots from 2026-11-05 12:00 UTC to 2026-11-05 14:00 UTC") ||
		!strings.Contains(line.Title, "the log covers 2026-11-05 12:00 UTC to 2026-11-05 16:00 UTC") {
		t.Errorf("told as %q", line.Title)
	}
}

// Whatever is measured, the drawing stays in its box and what it shows was
// measured.
func TestChartsStayInTheirBox(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.Uint64Min(1), 1, 600).Draw(t, "sizes")
		growth := make([]api.GrowthPoint, len(sizes))
		at := noon
		for k, s := range sizes {
			growth[k] = api.GrowthPoint{Time: at, Bytes: s}
			at = at.Add(time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "later")))
		}
		c := growthChart("r", growth)
		if len(c.Rows) > chartRows {
			t.Fatalf("the table has %d rows", len(c.Rows))
		}
		for _, part := range strings.FieldsFunc(c.Line, func(r rune) bool { return r == ' ' || r == 'M' || r == 'L' }) {
			if strings.HasPrefix(part, "-") || strings.Contains(part, "N") || len(part) > 5 {
				t.Fatalf("%q in %q", part, c.Line)
			}
		}
		if c.Rows[len(c.Rows)-1][0] != growth[len(growth)-1].Time.Format(instant) {
			t.Fatal("the newest figure is not shown")
		}
	})
}

func TestRoundNumbers(t *testing.T) {
	for _, c := range []struct {
		got, want string
	}{
		{axisBytes(niceBytes(0)), "1 B"},
		{axisBytes(niceBytes(600)), "1 KiB"},
		{axisBytes(niceBytes(1025)), "2 KiB"},
		{axisBytes(niceBytes(700 << 20)), "1 GiB"},
		{axisBytes(niceBytes(1 << 62)), "5000 PiB"},
		{axisSeconds(niceSeconds(0.3)), "0.5 s"},
		{axisSeconds(niceSeconds(61)), "2 min"},
		{axisSeconds(niceSeconds(7000)), "2 h"},
		{axisSeconds(niceSeconds(86400 * 3)), "5 d"},
		{axisCount(niceCount(3)), "5"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// What the log covers before the oldest snapshot of the page is not drawn.
func TestTimelineWithGaps(t *testing.T) {
	noon := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	line := timelineOf([]time.Time{hour(3), noon}, []span{{hour(-9), hour(-8)}, {hour(-7), hour(1)}, {hour(2), hour(4)}}, time.Time{})
	if len(line.Spans) != 2 || line.Spans[0].X != "0" {
		t.Errorf("spans: %+v", line.Spans)
	}
}
