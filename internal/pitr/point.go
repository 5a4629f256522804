package pitr

import (
	"fmt"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
	"holdfast/repository/snapshot"
)

// Need is the part of the log without which a base backup cannot be restored.
type Need struct {
	System     string
	Timeline   uint32
	Start, End postgres.LSN
	// Held tells that the backup has it along with it.
	Held bool
}

// String is how a snapshot records it (snapshot.LogTag).
func (n Need) String() string {
	held := ""
	if n.Held {
		held = "+held"
	}
	return fmt.Sprintf("%s-%08X-%016X-%016X%s", n.System, n.Timeline, uint64(n.Start), uint64(n.End), held)
}

// ParseNeed reads what String writes.
func ParseNeed(text string) (Need, bool) {
	var n Need
	var system, start, end uint64
	for _, form := range []string{"%d-%08X-%016X-%016X+held", "%d-%08X-%016X-%016X"} {
		if _, err := fmt.Sscanf(text, form, &system, &n.Timeline, &start, &end); err != nil {
			continue
		}
		n.System, n.Start, n.End = fmt.Sprint(system), postgres.LSN(start), postgres.LSN(end)
		n.Held = form[len(form)-1] == 'd'
		return n, n.String() == text
	}
	return Need{}, false
}

// Range is the part as the log archive counts it.
func (n Need) Range() logarchive.Range {
	return logarchive.Range{Stream: n.System, Line: n.Timeline, Start: logarchive.Position(n.Start), End: logarchive.Position(n.End)}
}

// Point is a base backup to begin a recovery with.
type Point struct {
	Snapshot *snapshot.Snapshot
	Need
	// Ended is when the backup was complete: the earliest instant that it can
	// be recovered to.
	Ended time.Time
}

// Points returns the base backups of a source among snapshots, oldest first.
func Points(snapshots []*snapshot.Snapshot, source string) []Point {
	var points []Point
	for _, s := range snapshot.Sorted(snapshots) {
		if s.Source() != source {
			continue
		}
		need, ok := ParseNeed(s.Log())
		if !ok {
			continue
		}
		p := Point{Snapshot: s, Need: need, Ended: s.Time}
		if s.Summary != nil && s.Summary.BackupEnd.After(p.Ended) {
			p.Ended = s.Summary.BackupEnd
		}
		points = append(points, p)
	}
	return points
}
