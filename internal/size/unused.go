package size

import (
	"fmt"
	"math"
	"strings"
)

// Unused is how much unused data prune may leave in a repository
// (--max-unused): an amount, a share of the repository, or any. The zero
// Unused leaves none. It is a command-line flag value and a configuration
// value.
type Unused struct {
	kind    unusedKind
	bytes   Bytes
	percent float64 // 0 ≤ percent < 100
}

type unusedKind uint8

const (
	unusedBytes unusedKind = iota
	unusedPercent
	unusedUnlimited
)

const unlimitedWord = "unlimited"

// ParseUnused reads a size as ParseBytes does, a percentage from 0% to below
// 100%, or "unlimited".
func ParseUnused(s string) (Unused, error) {
	text := strings.TrimSpace(s)
	switch {
	case text == unlimitedWord:
		return Unused{kind: unusedUnlimited}, nil
	case strings.HasSuffix(text, "%"):
		p, err := parsePercent(text)
		if err == nil && p == 100 {
			err = fmt.Errorf(`percentage %q: want less than 100%%, or "unlimited"`, s)
		}
		if err != nil {
			return Unused{}, err
		}
		return Unused{kind: unusedPercent, percent: p}, nil
	default:
		b, err := ParseBytes(text)
		if err != nil {
			return Unused{}, fmt.Errorf(`%w, a percentage or "unlimited"`, err)
		}
		return Unused{bytes: b}, nil
	}
}

// Limit returns how many unused bytes may stay beside used bytes that are
// needed. A percentage is of the repository after prune, used and unused data
// together: 10% beside 90 bytes used is 10 bytes.
func (u Unused) Limit(used int64) int64 {
	switch u.kind {
	case unusedUnlimited:
		return math.MaxInt64
	case unusedPercent:
		limit := u.percent / (100 - u.percent) * float64(used)
		if limit >= math.MaxInt64 {
			return math.MaxInt64
		}
		return int64(limit)
	default:
		return int64(u.bytes)
	}
}

// String is a text that ParseUnused reads as u.
func (u Unused) String() string {
	switch u.kind {
	case unusedUnlimited:
		return unlimitedWord
	case unusedPercent:
		return formatPercent(u.percent)
	default:
		return u.bytes.String()
	}
}

// Set is ParseUnused for a flag.
func (u *Unused) Set(s string) (err error) {
	*u, err = ParseUnused(s)
	return err
}

// Type names the value in help texts.
func (*Unused) Type() string { return "limit" }

// UnmarshalText is ParseUnused for a configuration.
func (u *Unused) UnmarshalText(text []byte) error { return u.Set(string(text)) }

// MarshalText is String for a configuration.
func (u Unused) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
