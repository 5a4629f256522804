package restoretest

import (
	"fmt"
	"runtime/debug"

	"holdfast/internal/evidence"
	"holdfast/internal/size"
)

// Limits are what a test may use, so that production beside it does not notice.
type Limits struct {
	// Nice is the priority for the processor, from 0, as usual, to 19; with any
	// but 0 the disk is used only when nobody else does.
	Nice int
	// Memory bounds this process and each command, in bytes; 0 does not.
	Memory int64
}

// Apply limits this process, and what it starts from now on, and tells of it
// in the record.
func (l Limits) Apply(t *evidence.Target) error {
	if l.Memory > 0 {
		debug.SetMemoryLimit(l.Memory)
		t.Isolation = append(t.Isolation, "memory of holdfast and of each command up to "+size.FormatBytes(l.Memory))
	}
	if l.Nice == 0 {
		return nil
	}
	if err := lower(l.Nice); err != nil {
		return fmt.Errorf("lower the priority of the restore test: %w", err)
	}
	t.Isolation = append(t.Isolation, fmt.Sprintf("lower priority for processor (nice %d) and disk", l.Nice))
	return nil
}
