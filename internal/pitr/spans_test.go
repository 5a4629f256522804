package pitr_test

import (
	"fmt"
	"testing"

	"holdfast/internal/pitr"
	"holdfast/internal/postgres"
)

// shown are spans in minutes after noon.
func shown(spans []pitr.Span) string {
	s := ""
	for _, one := range spans {
		s += fmt.Sprintf("%v-%v ", one.From.Sub(noon).Minutes(), one.To.Sub(noon).Minutes())
	}
	return s
}

func TestSpans(t *testing.T) {
	whole := facts()
	gap := facts() // between the second backup and the third
	gap.Log = []pitr.LogPart{log(1, 0x100, 0x400, 25), log(1, 0x450, 0x560, 30), log(2, 0x500, 0x900, 50)}
	gap.Histories = map[uint32][]postgres.Branch{2: {{Timeline: 1, At: 0x100}}} // it branched off before the backups
	early := facts()                                                            // the first backup lacks its own log
	early.Log = []pitr.LogPart{log(1, 0x300, 0x560, 30), log(2, 0x500, 0x900, 50)}
	for name, c := range map[string]struct {
		facts pitr.Facts
		want  string
	}{
		"whole":              {whole, "10-50 "},
		"a gap":              {gap, "10-25 40-50 "},
		"the first is alone": {early, "20-50 "},
		"nothing":            {pitr.Facts{}, ""},
	} {
		if got := shown(c.facts.Spans()); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// An instant lies in a span if, and only if, there is a way to it.
func TestSpansAreWhatCanBeChosen(t *testing.T) {
	f := facts()
	f.Log = []pitr.LogPart{log(1, 0x100, 0x400, 25), log(1, 0x450, 0x560, 30), log(2, 0x500, 0x900, 50)}
	spans := f.Spans()
	for minute := range 60 {
		at := after(minute)
		_, err := pitr.Choose(f, pitr.Wish{Time: at})
		within := false
		for _, s := range spans {
			within = within || !at.Before(s.From) && !at.After(s.To)
		}
		if within != (err == nil) {
			t.Errorf("minute %d: in a span: %v, chosen: %v", minute, within, err)
		}
	}
}

func TestJoin(t *testing.T) {
	span := func(from, to int) pitr.Span { return pitr.Span{From: after(from), To: after(to)} }
	given := []pitr.Span{span(30, 40), span(0, 10), span(5, 20), span(20, 25), span(6, 7), span(50, 50)}
	if got := shown(pitr.Join(given)); got != "0-25 30-40 50-50 " {
		t.Error(got)
	}
	if given[0].From != after(30) || len(pitr.Join(nil)) != 0 {
		t.Error("what was given is changed")
	}
}
