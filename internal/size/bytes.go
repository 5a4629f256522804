// Package size reads the amounts that people write on the command line and in
// the configuration ("64M", "10%", "unlimited", "2/5") and writes amounts,
// rates and spans for people to read ("1.234 GiB", "17.000 MiB/s", "0:05").
//
// Amounts are read as restic's flags read them and written as restic prints
// them: units are powers of 1024.
package size

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is an amount of data in bytes, 0 or more. It is a command-line flag
// value and a configuration value.
type Bytes int64

// ParseBytes reads a whole number with an optional unit: B (the default), K,
// M, G or T, in either case, for powers of 1024.
func ParseBytes(s string) (Bytes, error) {
	digits, unit := cutUnit(s)
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange), n > math.MaxInt64/unit:
		return 0, fmt.Errorf("size %q is too large", s)
	case err != nil, n < 0:
		return 0, fmt.Errorf(`size %q: want a number such as 512, 64K, 20M, 5G or 1T`, s)
	}
	return Bytes(n * unit), nil
}

// cutUnit splits a trailing unit off s and returns its bytes.
func cutUnit(s string) (number string, unit int64) {
	if s == "" {
		return s, 1
	}
	number = s[:len(s)-1]
	switch s[len(s)-1] {
	case 'b', 'B':
		return number, 1
	case 'k', 'K':
		return number, 1 << 10
	case 'm', 'M':
		return number, 1 << 20
	case 'g', 'G':
		return number, 1 << 30
	case 't', 'T':
		return number, 1 << 40
	default:
		return s, 1
	}
}

// String is the shortest text that ParseBytes reads as b: "64M", not
// "67108864". FormatBytes is for people.
func (b Bytes) String() string {
	units := "KMGT"
	text, suffix := int64(b), ""
	for text != 0 && text%1024 == 0 && units != "" {
		text, suffix, units = text/1024, units[:1], units[1:]
	}
	return strconv.FormatInt(text, 10) + suffix
}

// Set is ParseBytes for a flag.
func (b *Bytes) Set(s string) (err error) {
	*b, err = ParseBytes(s)
	return err
}

// Type names the value in help texts.
func (*Bytes) Type() string { return "size" }

// UnmarshalText is ParseBytes for a configuration.
func (b *Bytes) UnmarshalText(text []byte) error { return b.Set(string(text)) }

// MarshalText is String for a configuration.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// parsePercent reads a number followed by "%", between 0 and 100 inclusive.
func parsePercent(s string) (float64, error) {
	p, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	if err != nil || !(p >= 0 && p <= 100) { // the negation catches NaN
		return 0, fmt.Errorf("percentage %q: want 0%% to 100%%", s)
	}
	return p, nil
}

func formatPercent(p float64) string { return strconv.FormatFloat(p, 'g', -1, 64) + "%" }
