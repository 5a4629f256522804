package cost

import (
	"slices"
	"strings"
	"time"
)

// Holding is an amount of objects of one class.
type Holding struct {
	Class string `json:"class"`
	// Movable tells that lifecycle rules may move them: packs of file content.
	Movable bool  `json:"movable"`
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

const gigabyte = 1 << 30

// Line is a part of a bill.
type Line struct {
	Holding
	// Month is the price of keeping it for a month. Unknown says that the
	// table has no such class, and that the price is that of the default one.
	Month   float64 `json:"month"`
	Unknown bool    `json:"unknown_class,omitempty"`
}

// Month returns the bill of a month, most expensive first, and its sum.
func (s *Service) Month(holdings []Holding) (lines []Line, sum float64) {
	for _, h := range holdings {
		c, ok := s.Class(h.Class)
		if !ok {
			c, _ = s.Class("")
		}
		l := Line{Holding: h, Month: keep(c, h), Unknown: !ok}
		sum += l.Month
		lines = append(lines, l)
	}
	slices.SortStableFunc(lines, func(a, b Line) int {
		switch {
		case a.Month > b.Month:
			return -1
		case a.Month < b.Month:
			return 1
		}
		return strings.Compare(a.Class, b.Class)
	})
	return lines, sum
}

// keep returns the price of a month in a class. Objects below the least size
// are billed as if they had it; with only the sum known, that is for the
// average object.
func keep(c Class, h Holding) float64 {
	return float64(max(h.Bytes, c.MinimumBytes*int64(h.Objects))) / gigabyte * c.GBMonth
}

// Move is what moving the movable part of a repository to a class would mean.
type Move struct {
	Class string `json:"class"`
	// Saves is what a month gets cheaper by; negative: dearer.
	Saves float64 `json:"saves_a_month"`
	// Once is the price of moving.
	Once float64 `json:"once"`
	// Restore is the price of reading all of it back once, out of the service.
	Restore float64 `json:"restore_all"`
	// ThawHours is how long a restore waits before it can begin.
	ThawHours int `json:"thaw_hours,omitempty"`
	// MinimumDays are paid for at least, whatever prune deletes before.
	MinimumDays int `json:"minimum_days,omitempty"`
}

// Moves returns what moving everything movable to each class would mean, the
// one that saves most first. Only classes that save something are listed.
func (s *Service) Moves(holdings []Holding) []Move {
	var moves []Move
	for _, c := range s.Classes {
		m := Move{Class: c.Name, ThawHours: c.ThawHours, MinimumDays: c.MinimumDays}
		for _, h := range holdings {
			from, ok := s.Class(h.Class)
			if !h.Movable || !ok || from.Name == c.Name {
				continue
			}
			m.Saves += keep(from, h) - keep(c, h)
			m.Once += float64(h.Objects) / 1000 * c.Move1000
			m.Restore += s.readBack(c, h)
		}
		if m.Saves > 0 {
			moves = append(moves, m)
		}
	}
	slices.SortStableFunc(moves, func(a, b Move) int {
		switch {
		case a.Saves > b.Saves:
			return -1
		case a.Saves < b.Saves:
			return 1
		}
		return 0
	})
	return moves
}

// readBack returns the price of reading objects once and taking them home.
func (s *Service) readBack(c Class, h Holding) float64 {
	return float64(h.Bytes)/gigabyte*(c.RetrievalGB+s.EgressGB) + float64(h.Objects)/1000*c.Get1000
}

// Restore returns the price of reading everything back once as it is now.
func (s *Service) Restore(holdings []Holding) float64 {
	sum := 0.0
	for _, h := range holdings {
		c, ok := s.Class(h.Class)
		if !ok {
			c, _ = s.Class("")
		}
		sum += s.readBack(c, h)
	}
	return sum
}

// IsCold tells whether reading from a class costs extra, takes a thaw, or
// deleting from it early is charged: whatever prune should leave alone.
func (s *Service) IsCold(class string) bool {
	c, ok := s.Class(class)
	return ok && !strings.EqualFold(c.Name, s.DefaultClass) && (c.RetrievalGB > 0 || c.ThawHours > 0 || c.MinimumDays > 0)
}

// EarlyDeletion returns what deleting an object costs that has been in its
// class for so long: the rest of the shortest time.
func (s *Service) EarlyDeletion(class string, sizeBytes int64, age time.Duration) float64 {
	c, ok := s.Class(class)
	if !ok {
		return 0
	}
	const day = 24 * time.Hour
	rest := time.Duration(c.MinimumDays)*day - age
	if rest <= 0 {
		return 0
	}
	const month = 30 * day
	return keep(c, Holding{Objects: 1, Bytes: sizeBytes}) * float64(rest) / float64(month)
}
