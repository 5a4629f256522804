package web

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// chart is a drawing of figures over time, ready for the template "chart",
// with the same figures as a table for those who cannot see it. Its box is
// stretched to whatever room there is, so it has no text of its own: labels
// stand beside it, evenly spaced.
type chart struct {
	// ID is unique on its page.
	ID, Title string
	// Summary says in a sentence what the drawing shows.
	Summary string
	// Line and Area are path data, Dots the paths of single figures.
	Line, Area string
	Dots       []chartDot
	Bars       []chartBar
	Grid       []string
	// YLabels are from the top down, XLabels from left to right.
	YLabels, XLabels []string
	// LimitY is where a promise lies, "" for none, which Limit names.
	LimitY, Limit string
	Head          []string
	Rows          [][]string
}

// chartDot is one figure; class says how it is meant.
type chartDot struct{ Path, Class string }

// chartBar is a rectangle; class says what it counts.
type chartBar struct{ X, Y, W, H, Class string }

// The box that charts are drawn in, whatever their size on the screen.
const (
	chartWidth  = 600.0
	chartHeight = 200.0
)

// point is a figure at an instant.
type point struct {
	at    time.Time
	value float64
	class string
}

// scale leads from instants and figures to places in the box.
type scale struct {
	from, to time.Time
	max      float64
}

// scaleOf is wide enough for all points, which are in their order, and has a
// maximum that is steps times a round number.
func scaleOf(points []point, atLeast float64, nice func(float64) float64) scale {
	s := scale{max: atLeast}
	if len(points) > 0 {
		s.from, s.to = points[0].at, points[len(points)-1].at
	}
	for _, p := range points {
		s.max = math.Max(s.max, p.value)
	}
	s.max = gridSteps * nice(s.max/gridSteps)
	return s
}

// gridSteps is how many parts the height of a chart has.
const gridSteps = 4

func (s scale) x(t time.Time) float64 {
	span := s.to.Sub(s.from)
	if span <= 0 {
		return chartWidth / 2
	}
	share := float64(t.Sub(s.from)) / float64(span)
	return chartWidth * math.Min(1, math.Max(0, share))
}

func (s scale) y(v float64) float64 {
	if s.max <= 0 {
		return chartHeight
	}
	return chartHeight * (1 - math.Min(1, math.Max(0, v/s.max)))
}

// draw gives a chart the line through its points, its grid and its labels.
func (c *chart) draw(s scale, points []point, format func(float64) string) {
	c.axes(s, format)
	c.Line = linePath(s, points)
	if len(points) > 1 {
		first, last := s.x(points[0].at), s.x(points[len(points)-1].at)
		c.Area = c.Line + " L" + num(last) + " " + num(chartHeight) + " L" + num(first) + " " + num(chartHeight) + " Z"
	}
}

func (c *chart) axes(s scale, format func(float64) string) {
	for k := range gridSteps + 1 {
		v := s.max * float64(gridSteps-k) / gridSteps
		c.Grid = append(c.Grid, num(s.y(v)))
		c.YLabels = append(c.YLabels, format(v))
	}
	c.XLabels = timeLabels(s.from, s.to)
}

// dots marks each point, which tells single ones even where there is no line.
func (c *chart) dots(s scale, points []point) {
	for _, p := range points {
		// A line of no length with round ends stays round when the box is
		// stretched.
		c.Dots = append(c.Dots, chartDot{"M" + num(s.x(p.at)) + " " + num(s.y(p.value)) + "h0", p.class})
	}
}

func (c *chart) limit(s scale, v float64, name string) {
	c.LimitY, c.Limit = num(s.y(v)), name
}

func linePath(s scale, points []point) string {
	var b strings.Builder
	for k, p := range points {
		if k == 0 {
			b.WriteByte('M')
		} else {
			b.WriteString(" L")
		}
		b.WriteString(num(s.x(p.at)) + " " + num(s.y(p.value)))
	}
	return b.String()
}

// thin leaves at most limit points: of each part of the time the last one, so
// that what is shown is something that was measured.
func thin(points []point, limit int) []point {
	if len(points) <= limit {
		return points
	}
	kept := make([]point, 0, limit)
	for k := range limit {
		kept = append(kept, points[(k+1)*len(points)/limit-1])
	}
	kept[0] = points[0]
	return kept
}

// timeLabels are the beginning, the middle and the end, as exactly as the span
// needs.
func timeLabels(from, to time.Time) []string {
	layout := "2 Jan 2006"
	switch span := to.Sub(from); {
	case from.IsZero():
		return nil
	case span <= 0:
		return []string{from.Format(layout)}
	case span < 48*time.Hour:
		layout = "2 Jan 15:04"
	}
	middle := from.Add(to.Sub(from) / 2)
	return []string{from.Format(layout), middle.Format(layout), to.Format(layout)}
}

// num writes a place in the box; a tenth of a unit is less than a pixel.
func num(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

// niceBytes is the round amount of bytes at or above v.
func niceBytes(v float64) float64 {
	unit := 1.0
	for v/unit > 500 && unit < 1<<50 {
		unit *= 1024
	}
	return unit * niceCount(v/unit)
}

// niceCount is the whole number of 1, 2 or 5 and zeros at or above v.
func niceCount(v float64) float64 {
	for power := 1.0; ; power *= 10 {
		for _, digit := range []float64{1, 2, 5} {
			if digit*power >= v || math.IsInf(power, 0) {
				return digit * power
			}
		}
	}
}

// niceSeconds is the round span at or above v seconds.
func niceSeconds(v float64) float64 {
	const minute, hour, day = 60, 3600, 86400
	for _, step := range []float64{
		0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 15, 30,
		minute, 2 * minute, 5 * minute, 10 * minute, 15 * minute, 30 * minute,
		hour, 2 * hour, 6 * hour, 12 * hour,
	} {
		if step >= v {
			return step
		}
	}
	return day * niceCount(v/day)
}

// axisBytes is short: what stands at an axis is round.
func axisBytes(v float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	for v >= 1024 && len(units) > 1 {
		v, units = v/1024, units[1:]
	}
	return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) + " " + units[0]
}

// axisSeconds is short, for what stands at an axis.
func axisSeconds(v float64) string {
	switch {
	case v < 60:
		return trimmed(v) + " s"
	case v < 3600:
		return trimmed(v/60) + " min"
	case v < 86400:
		return trimmed(v/3600) + " h"
	default:
		return trimmed(v/86400) + " d"
	}
}

func axisCount(v float64) string { return trimmed(v) }

func trimmed(v float64) string {
	return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
}
