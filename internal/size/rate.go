package size

import (
	"fmt"
	"strings"
)

// Rate is a limit in bytes per second (--limit-upload, --limit-download); 0 is
// no limit. It is a command-line flag value and a configuration value.
type Rate int64

// ParseRate reads a rate per second. A number alone is KiB/s, as restic's
// flags have it; with a unit it is what ParseBytes reads: 512K, 10M.
// "unlimited" and 0 set no limit.
func ParseRate(s string) (Rate, error) {
	if s == unlimitedWord {
		return 0, nil
	}
	text := s
	if number, _ := cutUnit(s); number == s {
		text += "K"
	}
	b, err := ParseBytes(text)
	if err != nil {
		return 0, fmt.Errorf("rate %q: want KiB per second, or a number such as 512K or 10M", s)
	}
	return Rate(b), nil
}

// String is a text that ParseRate reads as r.
func (r Rate) String() string {
	if r == 0 {
		return unlimitedWord
	}
	text := Bytes(r).String()
	if strings.IndexByte("KMGT", text[len(text)-1]) < 0 {
		text += "B"
	}
	return text
}

// Set is ParseRate for a flag.
func (r *Rate) Set(s string) (err error) {
	*r, err = ParseRate(s)
	return err
}

// Type names the value in help texts.
func (*Rate) Type() string { return "rate" }

// UnmarshalText is ParseRate for a configuration.
func (r *Rate) UnmarshalText(text []byte) error { return r.Set(string(text)) }

// MarshalText is String for a configuration.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
