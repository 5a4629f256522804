package pitr

import (
	"slices"

	"holdfast/internal/logarchive"
)

// CopiedParts returns the parts of a source's log that a copy of its snapshots
// should have: what each base backup there cannot do without and, where the copy
// has a log of its own, all of the window up to that, so that no gap is left
// between them. What prune would remove there again is not among them.
//
// f.Log is what the source's archive has, f.Points are the base backups of the
// copy and f.Window is that of the copy; own is what the copy has of the log.
func CopiedParts(f PruneFacts, own []logarchive.Range) (parts []logarchive.Range) {
	for _, p := range f.Points {
		if !p.Held {
			parts = append(parts, p.Range())
		}
	}
	for _, floor := range PlanPrune(f).Floors {
		if floor.Blocked || floor.At == NoFloor {
			continue
		}
		newest := slices.MaxFunc(append(rangesOf(own, floor.System), logarchive.Range{}), func(a, b logarchive.Range) int {
			if a.Line != b.Line {
				return int(a.Line) - int(b.Line)
			}
			return int(min(1, max(-1, int64(a.End)-int64(b.End)))) //nolint:gosec // positions are far below 2^63
		})
		for _, has := range f.Log {
			part := has.Range
			if part.Stream != floor.System || part.Line > newest.Line {
				continue
			}
			part.Start = max(part.Start, logarchive.Position(floor.At))
			if part.Line == newest.Line {
				part.End = min(part.End, newest.End)
			}
			if part.Start < part.End {
				parts = append(parts, part)
			}
		}
	}
	return parts
}

func rangesOf(all []logarchive.Range, stream string) []logarchive.Range {
	return slices.DeleteFunc(slices.Clone(all), func(r logarchive.Range) bool { return r.Stream != stream })
}
