package web

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/api"
)

const (
	// maxDrawn bounds how many runs are drawn, maxRows in how many rows.
	maxDrawn = 1000
	maxRows  = 12
	// stripWidth is the width of a row in units of its drawing.
	stripWidth = 1000.0
)

// strip shows runs along time, in rows.
type strip struct {
	Rows    []stripRow
	Labels  []string // evenly spaced
	Summary string
}

// stripRow is what is drawn beside one name.
type stripRow struct {
	Name  string
	Marks []stripMark
}

// stripMark is a run: a bar as long as it took, at least a line.
type stripMark struct {
	To, Title, Class string
	X, Width         string
}

// stripOf draws runs from the newest on, each in the row that named says. It is
// nil if there is none.
func (s *site) stripOf(runs []api.Run, from, to time.Time, named func(*api.Run) string) *strip {
	rows, left := make(map[string]*stripRow), make(map[string]bool)
	var order []*stripRow
	count := make(map[string]int)
	whole := to.Sub(from)
	for k := range runs {
		r := &runs[k]
		began := r.Started
		if began.IsZero() {
			began = cmpTime(r.Due, r.Ended)
		}
		if began.Before(from) || began.After(to) || whole <= 0 {
			continue
		}
		row := rows[named(r)]
		if row == nil {
			if len(order) == maxRows {
				left[named(r)] = true
				continue
			}
			row = &stripRow{Name: named(r)}
			rows[row.Name], order = row, append(order, row)
		}
		ended := r.Ended
		if r.Outcome == api.Running {
			ended = to
		}
		x := stripWidth * float64(began.Sub(from)) / float64(whole)
		width := stripWidth * float64(max(0, ended.Sub(began))) / float64(whole)
		sign := outcomeSign(r.Outcome)
		count[sign.Word]++
		row.Marks = append(row.Marks, stripMark{
			To: runURL(r.ID), Class: r.Outcome, X: num(x), Width: num(min(width, stripWidth-x)),
			Title: fmt.Sprintf("%s %s, %s, %s", jobName(r.Job), r.Plan, strings.ToLower(sign.Word), s.date(began)),
		})
	}
	if len(order) == 0 {
		return nil
	}
	st := &strip{Labels: timeLabels(from.In(s.Zone), to.In(s.Zone))}
	slices.SortFunc(order, func(a, b *stripRow) int { return cmp.Compare(a.Name, b.Name) })
	for _, row := range order {
		st.Rows = append(st.Rows, *row)
	}
	var said []string
	for _, outcome := range []string{"succeeded", "partial", "failed", "interrupted", "skipped", api.Running} {
		if n := count[outcomeSign(outcome).Word]; n > 0 {
			said = append(said, formatCount(n)+" "+strings.ToLower(outcomeSign(outcome).Word))
		}
	}
	st.Summary = strings.Join(said, ", ")
	if len(left) > 0 {
		st.Summary += "; those of " + formatCount(len(left)) + " more are in the list alone: filter by a plan to see them drawn"
	}
	return st
}

func cmpTime(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}
