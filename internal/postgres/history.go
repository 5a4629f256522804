package postgres

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Branch says that a timeline ends at a position, where its child begins.
type Branch struct {
	Timeline uint32
	At       LSN
	Reason   string
}

// ParseHistory reads a timeline history file: the ancestors of a timeline,
// oldest first.
func ParseHistory(content []byte) ([]Branch, error) {
	var branches []Branch
	lines := bufio.NewScanner(bytes.NewReader(content))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.SplitN(line, "\t", 3)
		if len(fields) < 2 {
			return nil, fmt.Errorf("timeline history, line %d: want a timeline and a position", n)
		}
		timeline, err := strconv.ParseUint(strings.TrimSpace(fields[0]), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("timeline history, line %d: timeline %q", n, fields[0])
		}
		at, err := ParseLSN(strings.TrimSpace(fields[1]))
		if err != nil {
			return nil, fmt.Errorf("timeline history, line %d: %w", n, err)
		}
		b := Branch{Timeline: uint32(timeline), At: at}
		if len(fields) == 3 {
			b.Reason = fields[2]
		}
		if k := len(branches); k > 0 && (branches[k-1].Timeline >= b.Timeline || branches[k-1].At > at) {
			return nil, fmt.Errorf("timeline history, line %d: timeline %d does not come after %d", n, b.Timeline, branches[k-1].Timeline)
		}
		branches = append(branches, b)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("timeline history: %w", err)
	}
	return branches, nil
}
