package size

import (
	"fmt"
	"strconv"
	"strings"
)

// Subset is the part of the packs that check reads (--read-data-subset).
// Exactly one of its three forms is set; the zero Subset is no choice at all.
// It is a command-line flag value and a configuration value.
type Subset struct {
	// Group of Groups: the packs whose ID begins with a byte that is Group-1
	// modulo Groups, so that the groups together are all packs.
	// 1 ≤ Group ≤ Groups ≤ MaxGroups.
	Group, Groups int
	Percent       float64 // of the packs, at random; above 0, at most 100
	Bytes         Bytes   // of packs, at random; above 0
}

// MaxGroups is the largest number of groups: packs are grouped by one byte.
const MaxGroups = 256

// ParseSubset reads "n/t" (the n-th of t groups), a percentage, or a size as
// ParseBytes does.
func ParseSubset(s string) (Subset, error) {
	group, groups, found := strings.Cut(s, "/")
	switch {
	case found:
		return parseGroup(s, group, groups)
	case strings.HasSuffix(s, "%"):
		p, err := parsePercent(s)
		if err == nil && p == 0 {
			err = fmt.Errorf("subset %q: want more than 0%%", s)
		}
		if err != nil {
			return Subset{}, err
		}
		return Subset{Percent: p}, nil
	default:
		b, err := ParseBytes(s)
		if err != nil {
			return Subset{}, fmt.Errorf("%w, a percentage, or n/t", err)
		}
		if b == 0 {
			return Subset{}, fmt.Errorf("subset %q: want more than 0 bytes", s)
		}
		return Subset{Bytes: b}, nil
	}
}

func parseGroup(s, group, groups string) (Subset, error) {
	n, err1 := strconv.ParseUint(group, 10, 16)
	t, err2 := strconv.ParseUint(groups, 10, 16)
	if err1 != nil || err2 != nil || n < 1 || n > t || t > MaxGroups {
		return Subset{}, fmt.Errorf("subset %q: want n/t with 1 ≤ n ≤ t ≤ %d, such as 1/5", s, MaxGroups)
	}
	return Subset{Group: int(n), Groups: int(t)}, nil
}

// String is a text that ParseSubset reads as u; that of the zero Subset is
// empty.
func (u Subset) String() string {
	switch {
	case u.Groups > 0:
		return fmt.Sprintf("%d/%d", u.Group, u.Groups)
	case u.Percent > 0:
		return formatPercent(u.Percent)
	case u.Bytes > 0:
		return u.Bytes.String()
	default:
		return ""
	}
}

// Set is ParseSubset for a flag.
func (u *Subset) Set(s string) (err error) {
	*u, err = ParseSubset(s)
	return err
}

// Type names the value in help texts.
func (*Subset) Type() string { return "subset" }

// UnmarshalText is ParseSubset for a configuration.
func (u *Subset) UnmarshalText(text []byte) error { return u.Set(string(text)) }

// MarshalText is String for a configuration.
func (u Subset) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
