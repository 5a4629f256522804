package postgres

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a position in the WAL, in bytes.
type LSN uint64

// String writes it as PostgreSQL does, such as "16/B374D848".
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint64(l)>>32, uint32(l)) }

// ParseLSN reads what String writes.
func ParseLSN(text string) (LSN, error) {
	high, low, ok := strings.Cut(text, "/")
	h, err1 := strconv.ParseUint(high, 16, 32)
	l, err2 := strconv.ParseUint(low, 16, 32)
	if !ok || err1 != nil || err2 != nil {
		return 0, fmt.Errorf("%q is no WAL position: write it like 16/B374D848", text)
	}
	return LSN(h<<32 | l), nil
}
