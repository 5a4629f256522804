package pitr_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/internal/logarchive"
	"holdfast/internal/pitr"
	"holdfast/internal/postgres"
)

// wholes are the segments of a line, of 0x100 bytes each, between positions.
func wholes(line uint32, start, end logarchive.Position) (found []logarchive.Segment) {
	for at := start; at < end; at += 0x100 {
		found = append(found, logarchive.Segment{
			Stream: system, Line: line, Kind: logarchive.Whole,
			Name: fmt.Sprintf("%08X%016X", line, uint64(at)), Start: at, End: at + 0x100,
		})
	}
	return found
}

// pruneFacts are those of facts, with a log that is archived at one byte of
// 0x1000 a minute, and a window of so many minutes.
func pruneFacts(window int) pitr.PruneFacts {
	f := pitr.PruneFacts{Facts: facts(), Now: after(50)}
	f.Log = []pitr.LogPart{log(1, 0x100, 0x600, 30), log(2, 0x500, 0x900, 50)}
	f.Segments = slices.Concat(wholes(1, 0x100, 0x600), wholes(2, 0x500, 0x900))
	f.Window = func(end time.Time) time.Time { return end.Add(-time.Duration(window) * time.Minute) }
	return f
}

// removed lists the positions at which removed segments begin.
func removed(p *pitr.PrunePlan) (starts []logarchive.Position) {
	for _, r := range p.Remove {
		starts = append(starts, r.Start)
	}
	return starts
}

func TestPlanPrune(t *testing.T) {
	// The first backup needs 0x100 to 0x1FF for itself, the second 0x300 to
	// 0x3FF, the third 0x700 to 0x7FF.
	for name, test := range map[string]struct {
		change func(*pitr.PruneFacts)
		window int
		want   []logarchive.Position
	}{
		"window within the newest backup": {nil, 5, []logarchive.Position{0x200, 0x400, 0x500, 0x500, 0x600}},
		"window from the second backup":   {nil, 15, []logarchive.Position{0x200}},
		"window before all backups":       {nil, 100, nil},
		"no window":                       {func(f *pitr.PruneFacts) { f.Window = nil; f.Points = f.Points[1:] }, 0, []logarchive.Position{0x100, 0x200}},
		"older backups were forgotten": {func(f *pitr.PruneFacts) { f.Points = f.Points[2:] }, 5, []logarchive.Position{
			0x100, 0x200, 0x300, 0x400, 0x500, 0x500, 0x600,
		}},
		"no backup":       {func(f *pitr.PruneFacts) { f.Points = nil }, 5, nil},
		"clock far ahead": {func(f *pitr.PruneFacts) { f.Now = after(1e6) }, 15, []logarchive.Position{0x200}},
		"newest backup lacks log": {func(f *pitr.PruneFacts) {
			f.Log = []pitr.LogPart{f.Log[0], log(2, 0x500, 0x700, 45), log(2, 0x780, 0x900, 50)}
		}, 5, []logarchive.Position{0x200}},
		"all backups lack log":     {func(f *pitr.PruneFacts) { f.Log = []pitr.LogPart{log(2, 0x800, 0x900, 50)} }, 5, nil},
		"unknown timeline":         {func(f *pitr.PruneFacts) { f.Log = append(f.Log, log(3, 0x800, 0x900, 50)) }, 5, nil},
		"timeline without backups": {func(f *pitr.PruneFacts) { f.Points = f.Points[2:]; f.Histories[2] = nil; f.Log[0].To = after(49) }, 5, nil},
		"old timeline goes on":     {func(f *pitr.PruneFacts) { f.Log[0].To = after(50) }, 5, []logarchive.Position{0x200}},
	} {
		t.Run(name, func(t *testing.T) {
			f := pruneFacts(test.window)
			if test.change != nil {
				test.change(&f)
			}
			plan := pitr.PlanPrune(f)
			got := removed(plan)
			slices.Sort(got)
			if !slices.Equal(got, test.want) {
				t.Errorf("removes %X, want %X\n%+v", got, test.want, plan.Floors)
			}
		})
	}
}

func TestPlanPruneSlices(t *testing.T) {
	f := pruneFacts(100)
	slice := func(start, end logarchive.Position) logarchive.Segment {
		return logarchive.Segment{Stream: system, Line: 2, Kind: logarchive.Slice, Name: fmt.Sprintf("%08X%016X", 2, uint64(start)&^0xFF), Start: start, End: end}
	}
	superseded, linked := slice(0x600, 0x650), slice(0x650, 0x700)
	f.Segments = append(f.Segments, superseded, linked, slice(0x800, 0x880), slice(0x900, 0x950))
	f.Linked = map[logarchive.Segment]bool{linked: true}
	plan := pitr.PlanPrune(f)
	if len(plan.Remove) != 1 || plan.Remove[0].Segment != superseded {
		t.Errorf("removes %+v, want %+v alone: the others are linked to, of the newest whole segment, or of none", plan.Remove, superseded)
	}
}

// The law of pruning: whatever could be restored within the window before it
// can be after it, and every backup that could be restored to its own end.
func TestPruneKeepsWhatIsPromised(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawHistory(t)
		plan := pitr.PlanPrune(f)
		after := f.Facts
		after.Log = logOf(f, plan)
		for minutes := 0; minutes <= 110; minutes++ {
			wish := pitr.Wish{Time: noon.Add(time.Duration(minutes) * time.Minute)}
			if wish.Time.Before(plan.From) {
				continue
			}
			for _, timeline := range []uint32{0, 1, 2, 3} {
				wish.Timeline = timeline
				if _, err := pitr.Choose(f.Facts, wish); err != nil {
					continue
				}
				if _, err := pitr.Choose(after, wish); err != nil {
					t.Fatalf("%s on timeline %d is lost: %v\n%+v", wish, timeline, err, plan)
				}
			}
		}
		for _, p := range f.Points {
			wish := pitr.Wish{Backup: p.Snapshot.ID.String(), Immediate: true, Timeline: p.Timeline}
			if _, err := pitr.Choose(f.Facts, wish); err != nil {
				continue
			}
			if _, err := pitr.Choose(after, wish); err != nil {
				t.Fatalf("the backup of %v cannot be restored any more: %v\n%+v", p.Ended, err, plan)
			}
		}
	})
}

// drawHistory makes up to three timelines, each branching off the one before,
// with backups now and then and a gap here and there. A minute writes 0x100
// bytes.
func drawHistory(t *rapid.T) pitr.PruneFacts {
	f := pitr.PruneFacts{Facts: pitr.Facts{Histories: map[uint32][]postgres.Branch{}}, Now: after(110)}
	minute, at := 1, logarchive.Position(0x100)
	var ancestors []postgres.Branch
	for line := uint32(1); line <= uint32(rapid.IntRange(1, 3).Draw(t, "timelines")); line++ {
		if line > 1 {
			// Sometimes the server went back in time before it went on.
			at -= min(at-0x100, logarchive.Position(rapid.IntRange(0, 10).Draw(t, "back"))*0x100)
			for len(ancestors) > 0 && ancestors[len(ancestors)-1].At > postgres.LSN(at) {
				ancestors = ancestors[:len(ancestors)-1]
			}
			ancestors = append(slices.Clone(ancestors), postgres.Branch{Timeline: line - 1, At: postgres.LSN(at)})
			f.Histories[line] = ancestors
		}
		for range rapid.IntRange(1, 30).Draw(t, "minutes") {
			if rapid.IntRange(0, 9).Draw(t, "gap") > 0 {
				f.Segments = append(f.Segments, wholes(line, at, at+0x100)...)
			}
			if rapid.IntRange(0, 4).Draw(t, "backup") == 0 {
				f.Points = append(f.Points, point(minute, line, postgres.LSN(at)+0x10, postgres.LSN(at)+0x90))
			}
			minute, at = minute+1, at+0x100
		}
	}
	f.Log = logOf(f, &pitr.PrunePlan{})
	if window := rapid.IntRange(0, 100).Draw(t, "window"); window > 0 {
		f.Window = func(end time.Time) time.Time { return end.Add(-time.Duration(window) * time.Minute) }
	}
	return f
}

// logOf joins what pruning leaves of the segments. When a part was archived
// follows from how many segments came before its end.
func logOf(f pitr.PruneFacts, plan *pitr.PrunePlan) (parts []pitr.LogPart) {
	gone := map[logarchive.Segment]bool{}
	for _, r := range plan.Remove {
		gone[r.Segment] = true
	}
	left := slices.DeleteFunc(slices.Clone(f.Segments), func(s logarchive.Segment) bool { return gone[s] })
	for _, r := range logarchive.Coverage(left) {
		k := slices.IndexFunc(f.Segments, func(s logarchive.Segment) bool { return s.Line == r.Line && s.End == r.End })
		parts = append(parts, pitr.LogPart{Range: r, To: after(k + 2)})
	}
	return parts
}
