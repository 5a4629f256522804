package size

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// FormatBytes writes bytes with three decimals of the largest fitting unit up
// to TiB, as restic prints them: "1.234 GiB", "512 B".
func FormatBytes[N ~int | ~int64 | ~uint64](bytes N) string {
	if bytes < 0 {
		return "-" + FormatBytes(magnitude(int64(bytes)))
	}
	n, f := uint64(bytes), float64(bytes)
	switch {
	case n >= 1<<40:
		return fmt.Sprintf("%.3f TiB", f/(1<<40))
	case n >= 1<<30:
		return fmt.Sprintf("%.3f GiB", f/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.3f MiB", f/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.3f KiB", f/(1<<10))
	default:
		return strconv.FormatUint(n, 10) + " B"
	}
}

// magnitude is -n, which int64 cannot hold for the least n.
func magnitude(n int64) uint64 { return -uint64(n) }

// FormatRate writes the mean rate of bytes moved in a span: "17.000 MiB/s". A
// span too short to tell gives "-".
func FormatRate(bytes int64, span time.Duration) string {
	perSecond := float64(bytes) / span.Seconds()
	if span <= 0 || bytes < 0 || perSecond >= math.MaxInt64 {
		return "-"
	}
	return FormatBytes(int64(perSecond)) + "/s"
}

// FormatDuration writes whole seconds as minutes and seconds, from an hour on
// with hours: "0:05", "59:59", "1:00:00", "100:00:00". Less than nothing is
// nothing.
func FormatDuration(d time.Duration) string {
	seconds := int64(max(0, d) / time.Second)
	hours, minutes, seconds := seconds/3600, seconds/60%60, seconds%60
	if hours > 0 {
		return fmt.Sprintf("%d:%02d:%02d", hours, minutes, seconds)
	}
	return fmt.Sprintf("%d:%02d", minutes, seconds)
}
