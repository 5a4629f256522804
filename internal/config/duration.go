package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time, written as numbers with units: "15m",
// "1h30m", "35d". Units are s, m (minutes), h, d (24 h) and w (7 d).
type Duration time.Duration

// durationUnits runs from the largest to the smallest, the order in which
// they are written.
var durationUnits = []struct {
	name byte
	size time.Duration
}{
	{'w', 7 * 24 * time.Hour},
	{'d', 24 * time.Hour},
	{'h', time.Hour},
	{'m', time.Minute},
	{'s', time.Second},
}

// UnmarshalText reads a duration. It is never negative.
func (d *Duration) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("%q is no duration: write it like 15m, 1h30m or 35d", text)
	rest, total := string(text), time.Duration(0)
	if rest == "" {
		return bad
	}
	for rest != "" {
		n, unit, after, ok := cutDuration(rest)
		if !ok || n > (1<<63-1-int64(total))/int64(unit) {
			return bad
		}
		total += time.Duration(n) * unit
		rest = after
	}
	*d = Duration(total)
	return nil
}

// cutDuration splits "30m15s" into 30, a minute and "15s".
func cutDuration(s string) (n int64, unit time.Duration, rest string, ok bool) {
	digits := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if digits <= 0 {
		return 0, 0, "", false
	}
	n, err := strconv.ParseInt(s[:digits], 10, 64)
	if err != nil {
		return 0, 0, "", false
	}
	for _, u := range durationUnits {
		if s[digits] == u.name {
			return n, u.size, s[digits+1:], true
		}
	}
	return 0, 0, "", false
}

// String writes d as UnmarshalText reads it, in days and less: retentions are
// spoken of so.
func (d Duration) String() string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	rest := time.Duration(d)
	for _, u := range durationUnits[1:] {
		if n := rest / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%c", n, u.name)
			rest -= n * u.size
		}
	}
	return b.String()
}

// MarshalText writes d as UnmarshalText reads it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
