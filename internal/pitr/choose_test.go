package pitr_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/internal/pitr"
	"holdfast/internal/postgres"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

const system = "7300000000000000001"

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func after(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

// point is a backup that ended so many minutes after noon.
func point(minutes int, timeline uint32, start, end postgres.LSN) pitr.Point {
	name := id.Hash([]byte{byte(minutes)})
	return pitr.Point{
		Snapshot: &snapshot.Snapshot{ID: name, Time: after(minutes - 1)}, Ended: after(minutes),
		Need: pitr.Need{System: system, Timeline: timeline, Start: start, End: end},
	}
}

func log(line uint32, start, end logarchive.Position, minutes int) pitr.LogPart {
	return pitr.LogPart{Range: logarchive.Range{Stream: system, Line: line, Start: start, End: end}, To: after(minutes)}
}

// Three backups, a failover at 0x550, and a log that has everything.
func facts() pitr.Facts {
	return pitr.Facts{
		Points: []pitr.Point{point(10, 1, 0x110, 0x180), point(20, 1, 0x310, 0x380), point(40, 2, 0x710, 0x780)},
		Log:    []pitr.LogPart{log(1, 0x100, 0x560, 30), log(2, 0x500, 0x900, 50)},
		Histories: map[uint32][]postgres.Branch{
			2: {{Timeline: 1, At: 0x550}},
		},
	}
}

func TestChoose(t *testing.T) {
	for name, test := range map[string]struct {
		wish     pitr.Wish
		minutes  int // when the chosen backup ended
		timeline uint32
	}{
		"latest":                       {pitr.Wish{}, 40, 2},
		"time after the last backup":   {pitr.Wish{Time: after(45)}, 40, 2},
		"time before the last backup":  {pitr.Wish{Time: after(39)}, 20, 2},
		"time before the second":       {pitr.Wish{Time: after(19)}, 10, 2},
		"position":                     {pitr.Wish{LSN: 0x400}, 20, 2},
		"position of the first backup": {pitr.Wish{LSN: 0x180}, 10, 2},
		"old timeline":                 {pitr.Wish{Timeline: 1}, 20, 1},
		"restore point":                {pitr.Wish{Name: "before migration"}, 10, 2},
		"transaction":                  {pitr.Wish{Transaction: "731"}, 10, 2},
		"end of the newest backup":     {pitr.Wish{Immediate: true}, 40, 2},
		"backup by name":               {pitr.Wish{Backup: id.Hash([]byte{10}).String()[:8]}, 10, 2},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := pitr.Choose(facts(), test.wish)
			if err != nil {
				t.Fatal(err)
			}
			if !c.Point.Ended.Equal(after(test.minutes)) || c.Timeline != test.timeline {
				t.Errorf("begins with the backup of %v on timeline %d\n%s", c.Point.Ended, c.Timeline, strings.Join(c.Why, "\n"))
			}
		})
	}
}

func TestChooseUnreachable(t *testing.T) {
	gap := facts()
	gap.Log = []pitr.LogPart{log(1, 0x100, 0x300, 15), log(2, 0x600, 0x700, 45)}
	none := facts()
	none.Points = nil
	lost := facts()
	lost.Histories = nil
	early := lost
	early.Points = lost.Points[:2]
	for name, test := range map[string]struct {
		facts pitr.Facts
		wish  pitr.Wish
		want  string
	}{
		"no backup":                {none, pitr.Wish{}, "there is no base backup"},
		"before the first backup":  {facts(), pitr.Wish{Time: after(5)}, "complete only after that"},
		"after the end of the log": {facts(), pitr.Wish{Time: after(51)}, "the log archive ends at 0/900"},
		"position after the end":   {facts(), pitr.Wish{LSN: 0x901}, "the log archive ends at 0/900"},
		"gap at the backup":        {gap, pitr.Wish{Timeline: 1, Backup: id.Hash([]byte{20}).String()}, "lacks the log from 0/310 on timeline 1"},
		"gap before the branch":    {gap, pitr.Wish{Time: after(12)}, "ends at 0/300 on timeline 1, before timeline 2 branches off"},
		"unknown timeline":         {facts(), pitr.Wish{Timeline: 7}, "timeline 7 does not come from"},
		"backup after the branch":  {facts(), pitr.Wish{Timeline: 1, Backup: id.Hash([]byte{40}).String()}, "does not come from its timeline, 2"},
		"two targets":              {facts(), pitr.Wish{LSN: 1, Name: "x"}, "one target only"},
		"history of the newest":    {early, pitr.Wish{}, "timeline 2 has log, and its history file is missing"},
		"history of the backup's":  {lost, pitr.Wish{Time: after(45)}, "timeline 2 has log, and its history file is missing"},
		"no such backup":           {facts(), pitr.Wish{Backup: "ffffffffff"}, `no backup is named "ffffffffff"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := pitr.Choose(test.facts, test.wish)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if test.want != "one target only" && !errors.Is(err, pitr.ErrUnreachable) {
				t.Errorf("%v is no ErrUnreachable", err)
			}
		})
	}
}

// Where the history file of a later timeline is lost, an earlier one is followed
// when it is named.
func TestChooseWithoutHistory(t *testing.T) {
	f := facts()
	f.Histories = nil
	f.Points = f.Points[:2]
	for _, w := range []pitr.Wish{{Timeline: 1}, {Immediate: true}, {Timeline: 1, LSN: 0x400}} {
		if c, err := pitr.Choose(f, w); err != nil || c.Timeline != 1 || !c.Point.Ended.Equal(after(20)) {
			t.Errorf("%s: got %+v, %v", w, c, err)
		}
	}
}

// A backup that has its log along needs no archive to be restored as it is.
func TestChooseWithoutArchive(t *testing.T) {
	f := facts()
	f.Log = nil
	f.Points[2].Held = true
	c, err := pitr.Choose(f, pitr.Wish{Immediate: true})
	if err != nil || !c.Point.Ended.Equal(after(40)) {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err := pitr.Choose(f, pitr.Wish{Time: after(41)}); err == nil {
		t.Error("a time after the backup is promised without any log")
	}
}

func TestNeed(t *testing.T) {
	for _, n := range []pitr.Need{
		{System: system, Timeline: 1, Start: 0x16_0000_0028, End: 0x16_0000_0138},
		{System: system, Timeline: 0xAB, Start: 1, End: 2, Held: true},
	} {
		got, ok := pitr.ParseNeed(n.String())
		if !ok || got != n {
			t.Errorf("%s is read back as %+v, %t", n, got, ok)
		}
	}
	for _, bad := range []string{"", "x", "1-1-1-1", "7300000000000000001-00000001-0000000000000001-0000000000000002junk"} {
		if n, ok := pitr.ParseNeed(bad); ok {
			t.Errorf("%q is taken for %+v", bad, n)
		}
	}
}

// What no log can have is refused before anything is looked for.
func TestWishes(t *testing.T) {
	for why, w := range map[string]pitr.Wish{
		`"abc" is no transaction`: {Transaction: "abc"},
		`"-1" is no transaction`:  {Transaction: "-1"},
		`"0x1f" is no`:            {Transaction: "0x1f"},
		"the longest have 63":     {Name: strings.Repeat("é", 32)},
		"one target only":         {Name: "x", Immediate: true},
	} {
		if err := w.Validate(); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%+v: %v", w, err)
		}
	}
	for _, w := range []pitr.Wish{{}, {Transaction: "18446744073709551615"}, {Name: strings.Repeat("x", 63)}} {
		if err := w.Validate(); err != nil {
			t.Errorf("%+v: %v", w, err)
		}
	}
}
