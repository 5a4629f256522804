package pitr

import (
	"slices"
	"time"
)

// Span is a time in which every instant can be recovered to.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Spans returns the times that Choose finds a way to, the oldest first: each
// begins when a base backup was complete and ends where the log after it does.
// Between two of them the log has a gap.
func (f Facts) Spans() []Span {
	var all []Span
	for _, p := range f.Points {
		if c, _ := f.try(p, Wish{}); c != nil && c.EndTime.After(p.Ended) {
			all = append(all, Span{p.Ended, c.EndTime})
		}
	}
	return Join(all)
}

// Join joins spans that overlap or touch, and returns them the oldest first.
func Join(spans []Span) []Span {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b Span) int { return a.From.Compare(b.From) })
	joined := spans[:0]
	for _, s := range spans {
		if n := len(joined); n > 0 && !s.From.After(joined[n-1].To) {
			if s.To.After(joined[n-1].To) {
				joined[n-1].To = s.To
			}
			continue
		}
		joined = append(joined, s)
	}
	return joined
}
