package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Size is a number of bytes, written with a unit of 1024 or none: "500K",
// "10MB" and "10MiB" (the same), "4096".
type Size int64

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	number := strings.TrimRight(string(text), "bBiIkKmMgGtT")
	n, err := strconv.ParseUint(number, 10, 63)
	unit := strings.ToUpper(string(text[len(number):]))
	power := slices.IndexFunc(sizeUnits(), func(names []string) bool { return slices.Contains(names, unit) })
	if err != nil || power < 0 || n > math.MaxInt64>>(10*power) {
		return fmt.Errorf("%q is no size: write it like 500K or 10MiB", text)
	}
	*s = Size(n << (10 * power))
	return nil
}

// sizeUnits lists the names of units by their power of 1024.
func sizeUnits() [][]string {
	return [][]string{
		{"", "B"},
		{"K", "KB", "KIB"},
		{"M", "MB", "MIB"},
		{"G", "GB", "GIB"},
		{"T", "TB", "TIB"},
	}
}
