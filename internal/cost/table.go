// Package cost estimates what a repository costs in an object store: the bill
// of a month, what another storage class would save, and what deleting early
// or reading back costs. It knows prices only from a table, which the user
// can replace, and does no I/O.
//
// An estimate is for choosing, not for accounting: it leaves out taxes,
// discounts, free allowances and the steps by which prices fall.
package cost

import (
	"bytes"
	_ "embed" // the table of prices
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Table is a list of prices.
type Table struct {
	// Date is when the prices were taken, as 2006-01-02.
	Date     string    `json:"date"`
	Currency string    `json:"currency"`
	Note     string    `json:"note,omitempty"`
	Services []Service `json:"services"`
}

// Service is what one service asks in one of its regions.
type Service struct {
	Name   string `json:"name"`
	Region string `json:"region"`
	// Kind is that of the store's URLs, Hosts are the ends of the names of its
	// machines.
	Kind  string   `json:"kind"`
	Hosts []string `json:"hosts,omitempty"`
	// Source is where the prices stand.
	Source string `json:"source,omitempty"`
	// EgressGB is the price of a gigabyte that leaves the service.
	EgressGB float64 `json:"egress_gb"`
	// DefaultClass is that of objects for which none is told.
	DefaultClass string  `json:"default_class"`
	Classes      []Class `json:"classes"`
}

// Class is what a storage class costs. A gigabyte is 2^30 bytes, as the
// services bill it.
type Class struct {
	Name    string  `json:"name"`
	GBMonth float64 `json:"gb_month"`
	// Put1000, Get1000 and Move1000 are the prices of a thousand requests to
	// put, to get, and to move an object here from another class.
	Put1000  float64 `json:"put_1000,omitempty"`
	Get1000  float64 `json:"get_1000,omitempty"`
	Move1000 float64 `json:"move_1000,omitempty"`
	// RetrievalGB is the price of reading a gigabyte.
	RetrievalGB float64 `json:"retrieval_gb,omitempty"`
	// MinimumDays are paid for at least, MinimumBytes for each object.
	MinimumDays  int   `json:"minimum_days,omitempty"`
	MinimumBytes int64 `json:"minimum_bytes,omitempty"`
	// ThawHours is how long it usually takes until an object can be read; 0
	// for classes that can be read at once.
	ThawHours int `json:"thaw_hours,omitempty"`
}

//go:embed prices.json
var builtIn []byte

// BuiltIn returns the table that came with the program.
func BuiltIn() *Table {
	t, err := Parse(builtIn)
	if err != nil {
		panic("cost: " + err.Error())
	}
	return t
}

// Parse reads and checks a table. Unknown keys are errors: a misspelt price
// would count as nothing.
func Parse(data []byte) (*Table, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	t := new(Table)
	if err := d.Decode(t); err != nil {
		return nil, fmt.Errorf("table of prices: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("table of prices: something follows the table, which would count for nothing")
	}
	return t, t.validate()
}

// kinds are those of stores that somebody sends a bill for.
var kinds = []string{"s3", "azure", "gs"}

func (t *Table) validate() error {
	if _, err := time.Parse(time.DateOnly, t.Date); err != nil {
		return fmt.Errorf("table of prices: date %q: write it like 2026-03-01", t.Date)
	}
	if t.Currency == "" {
		return errors.New("table of prices: no currency")
	}
	for _, s := range t.Services {
		if !slices.Contains(kinds, s.Kind) {
			return fmt.Errorf("table of prices: %s: kind %q: want one of %s", s.Name, s.Kind, strings.Join(kinds, ", "))
		}
		if _, ok := s.Class(s.DefaultClass); !ok {
			return fmt.Errorf("table of prices: %s: the default class %q is not among the classes", s.Name, s.DefaultClass)
		}
		for n, c := range s.Classes {
			if first := slices.IndexFunc(s.Classes, func(other Class) bool { return strings.EqualFold(other.Name, c.Name) }); first < n {
				return fmt.Errorf("table of prices: %s: the class %s has two prices", s.Name, c.Name)
			}
			if min(c.GBMonth, c.Put1000, c.Get1000, c.Move1000, c.RetrievalGB, s.EgressGB) < 0 || min(c.MinimumDays, c.ThawHours) < 0 || c.MinimumBytes < 0 {
				return fmt.Errorf("table of prices: %s %s: a figure is negative", s.Name, c.Name)
			}
		}
	}
	return nil
}

// Find returns the service behind a store: by the name of its machine or,
// where that is not known, the first of the kind whose table names no hosts.
func (t *Table) Find(kind, host string) (*Service, bool) {
	host = strings.ToLower(host)
	for n := range t.Services {
		s := &t.Services[n]
		for _, h := range s.Hosts {
			h = strings.ToLower(h)
			if s.Kind == kind && (host == h || strings.HasSuffix(host, "."+h)) {
				return s, true
			}
		}
	}
	for n := range t.Services {
		if s := &t.Services[n]; s.Kind == kind && len(s.Hosts) == 0 {
			return s, true
		}
	}
	return nil, false
}

// Class returns the prices of a class, "" being the default one. Services
// differ in how they write the names; case counts for nothing.
func (s *Service) Class(name string) (Class, bool) {
	if name == "" {
		name = s.DefaultClass
	}
	for _, c := range s.Classes {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return Class{}, false
}
