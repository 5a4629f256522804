package web

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/size"
)

// How many points a drawing has, and how many rows its table.
const (
	chartPoints = 240
	chartRows   = 24
)

// instant is how tables beside charts write a time.
const instant = "2006-01-02 15:04 MST"

// growthChart draws how large a repository was. It is nil when nothing was
// measured.
func growthChart(repository string, growth []api.GrowthPoint) *chart {
	growth = sized(growth)
	if len(growth) == 0 {
		return nil
	}
	points := make([]point, len(growth))
	for k, g := range growth {
		points[k] = point{at: g.Time, value: float64(g.Bytes)}
	}
	shown := thin(points, chartPoints)
	s := scaleOf(shown, 1, niceBytes)
	first, last := growth[0], growth[len(growth)-1]
	c := &chart{
		ID: "growth", Title: "Size of " + repository, Summary: growthSummary(first, last),
		Head: []string{"Time", "Size"},
	}
	c.draw(s, shown, axisBytes)
	if len(shown) <= 2 {
		c.dots(s, shown)
	}
	for _, p := range thin(points, chartRows) {
		c.Rows = append(c.Rows, []string{p.at.Format(instant), size.FormatBytes(uint64(p.value))})
	}
	return c
}

// sized are the points at which the size was known: a repository is never of
// no size.
func sized(growth []api.GrowthPoint) []api.GrowthPoint {
	return slices.DeleteFunc(slices.Clone(growth), func(g api.GrowthPoint) bool { return g.Bytes == 0 })
}

func growthSummary(first, last api.GrowthPoint) string {
	now := fmt.Sprintf("%s on %s", size.FormatBytes(last.Bytes), last.Time.Format(instant))
	if !last.Time.After(first.Time) {
		return now + "; nothing earlier is known."
	}
	change := "the same as"
	switch {
	case last.Bytes > first.Bytes:
		change = size.FormatBytes(last.Bytes-first.Bytes) + " more than"
	case last.Bytes < first.Bytes:
		change = size.FormatBytes(first.Bytes-last.Bytes) + " less than"
	}
	return fmt.Sprintf("%s, %s on %s.", now, change, first.Time.Format(instant))
}

// restoreTimes draws how long restores took in tests, which have the newest
// first, beside what is promised. It is nil when none was measured.
func restoreTimes(tests []api.RestoreTest) *chart {
	var points []point
	promised := 0.0
	for _, t := range slices.Backward(tests) {
		promised = max(promised, t.RTO.Promised)
		if t.RTO.Measured > 0 {
			points = append(points, point{t.Time, t.RTO.Measured, verdictClass(t.Verdict)})
		}
	}
	if len(points) == 0 {
		return nil
	}
	shown := thin(points, chartPoints)
	s := scaleOf(shown, promised, niceSeconds)
	last := points[len(points)-1]
	c := &chart{
		ID: "restore-times", Title: "How long restores took", Head: []string{"Time", "Restore took"},
		Summary: fmt.Sprintf("The newest of %s took %s.", counted(len(points), "restore"), formatSpan(seconds(last.value))),
	}
	if promised > 0 {
		c.limit(s, promised, axisSeconds(promised)+" promised")
		c.Summary += " " + axisSeconds(promised) + " are promised."
	}
	c.draw(s, shown, axisSeconds)
	c.Area = ""
	c.dots(s, shown)
	for _, p := range thin(points, chartRows) {
		c.Rows = append(c.Rows, []string{p.at.Format(instant), axisSeconds(p.value)})
	}
	return c
}

// runDays draws how many runs there were on each day, and how they ended. Days
// are those of the zone of from. It is nil when there were none.
func runDays(runs []api.Run, from, to time.Time) *chart {
	days := countDays(runs, from, to)
	s := scale{from: days[0].at, to: days[len(days)-1].at.AddDate(0, 0, 1), max: 1}
	var all dayRuns
	for _, d := range days {
		s.max = max(s.max, float64(d.good+d.partial+d.bad))
		all.good, all.partial, all.bad = all.good+d.good, all.partial+d.partial, all.bad+d.bad
	}
	if all.good+all.partial+all.bad == 0 {
		return nil
	}
	s.max = gridSteps * niceCount(s.max/gridSteps)
	c := &chart{
		ID: "run-days", Title: "Runs of each day", Head: []string{"Day", "Succeeded", "Partial or interrupted", "Failed"},
		Summary: fmt.Sprintf("%d succeeded, %d were partial or interrupted and %d failed in %s.", all.good, all.partial, all.bad, counted(len(days), "day")),
	}
	c.axes(s, axisCount)
	c.XLabels = timeLabels(days[0].at, days[len(days)-1].at)
	width := chartWidth / float64(len(days))
	for k, d := range days {
		floor := 0.0
		for _, part := range []struct {
			n     int
			class string
		}{{d.good, "good"}, {d.partial, "near"}, {d.bad, "bad"}} {
			if part.n == 0 {
				continue
			}
			top := floor + float64(part.n)
			c.Bars = append(c.Bars, chartBar{
				X: num(float64(k)*width + width*0.1), W: num(width * 0.8),
				Y: num(s.y(top)), H: num(s.y(floor) - s.y(top)), Class: part.class,
			})
			floor = top
		}
		if d.good+d.partial+d.bad > 0 {
			c.Rows = append(c.Rows, []string{d.at.Format("2006-01-02"), strconv.Itoa(d.good), strconv.Itoa(d.partial), strconv.Itoa(d.bad)})
		}
	}
	return c
}

// dayRuns are the runs that began on a day.
type dayRuns struct {
	at                 time.Time
	good, partial, bad int
}

// maxDays bounds how many bars there are.
const maxDays = 92

func countDays(runs []api.Run, from, to time.Time) []dayRuns {
	var days []dayRuns
	for day := midnight(from); len(days) == 0 || (day.Before(to) && len(days) < maxDays); day = day.AddDate(0, 0, 1) {
		days = append(days, dayRuns{at: day})
	}
	for _, r := range runs {
		started := midnight(r.Started.In(from.Location()))
		k, found := slices.BinarySearchFunc(days, started, func(d dayRuns, t time.Time) int { return d.at.Compare(t) })
		if !found {
			continue
		}
		switch r.Outcome {
		case "succeeded":
			days[k].good++
		case "partial", "interrupted":
			days[k].partial++
		case "failed":
			days[k].bad++
		}
	}
	return days
}

func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

// spark is a line without axes, as high as a line of text.
type spark struct{ Line, Title string }

// sparkline draws how large a repository was. It is nil with less than two
// figures.
func sparkline(growth []api.GrowthPoint) *spark {
	growth = sized(growth)
	if len(growth) < 2 {
		return nil
	}
	points := make([]point, len(growth))
	for k, g := range growth {
		points[k] = point{at: g.Time, value: float64(g.Bytes)}
	}
	points = thin(points, 60)
	s := scaleOf(points, 1, func(v float64) float64 { return v * 1.1 })
	return &spark{Line: linePath(s, points), Title: growthSummary(growth[0], growth[len(growth)-1])}
}

// gauge is a promise beside what is measured, as a bar with a mark.
type gauge struct {
	Class string
	// Fill is how far the bar is filled, Mark where the promise lies, "" for
	// none; of 100.
	Fill, Mark string
	Title      string
}

// gaugeOf draws a standing. It is nil if nothing is measured.
func gaugeOf(name string, s api.Standing) *gauge {
	if s.Measured <= 0 {
		return nil
	}
	// A kept promise lies at two thirds, so that how much is left is seen; a
	// broken one is overshot.
	whole := max(s.Promised*1.5, s.Measured*1.05)
	g := &gauge{Class: string(s.State), Fill: num(100 * s.Measured / whole)}
	g.Title = fmt.Sprintf("%s: %s measured", name, axisSeconds(s.Measured))
	if s.Promised > 0 {
		g.Mark = num(100 * s.Promised / whole)
		g.Title += ", " + axisSeconds(s.Promised) + " promised"
	}
	return g
}

// timeline shows which instants of a span can be restored to: ticks are
// snapshots, spans what a log covers.
type timeline struct {
	Title   string
	Ticks   []chartDot
	Spans   []chartBar
	XLabels []string
}

// span is a part of time.
type span struct{ from, to time.Time }

// timelineOf draws points, the newest first, and the spans that a log covers;
// chosen is marked. It is nil without points.
func timelineOf(points []time.Time, covered []span, chosen time.Time) *timeline {
	if len(points) == 0 {
		return nil
	}
	s := scale{from: points[len(points)-1], to: points[0]}
	var shown []span // as far as the snapshots go back
	for _, c := range covered {
		if c.to.Before(s.from) {
			continue
		}
		if c.from.Before(s.from) {
			c.from = s.from
		}
		if c.to.After(s.to) {
			s.to = c.to
		}
		shown = append(shown, c)
	}
	covered = shown
	t := &timeline{XLabels: timeLabels(s.from, s.to)}
	tick := func(at time.Time, class string) {
		t.Ticks = append(t.Ticks, chartDot{"M" + num(s.x(at)) + " 0V40", class})
	}
	for _, c := range covered {
		x := s.x(c.from)
		t.Spans = append(t.Spans, chartBar{X: num(x), Y: "14", W: num(max(1, s.x(c.to)-x)), H: "12", Class: "covered"})
	}
	for _, at := range points {
		tick(at, "")
	}
	if !chosen.IsZero() {
		tick(chosen, "chosen")
	}
	said := []string{counted(len(points), "snapshot") + " from " + s.from.Format(instant) + " to " + points[0].Format(instant)}
	for _, c := range covered {
		said = append(said, "the log covers "+c.from.Format(instant)+" to "+c.to.Format(instant))
	}
	t.Title = strings.Join(said, "; ")
	return t
}

// verdictClass is the class of what a restore test found.
func verdictClass(verdict string) string {
	switch verdict {
	case "proven":
		return "good"
	case "failed":
		return "bad"
	default:
		return "near"
	}
}

// counted is "1 day" or "3 days".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
