package objective

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/internal/event"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// plan is one with two sources and two repositories, in which all is well.
func plan() Facts {
	point := func(age, took time.Duration) Point {
		return Point{Time: now.Add(-age), Bytes: 1000, Test: &Test{Time: now.Add(-24 * time.Hour), Took: took, Bytes: 1000}}
	}
	return Facts{
		Plan: "shop", Now: now, RPO: 10 * time.Minute, RTO: time.Hour, Sources: []string{"db", "www"},
		Copies: []Copy{
			{Name: "local", Points: map[string]Point{"db": point(time.Minute, 10*time.Minute), "www": point(5*time.Minute, 20*time.Minute)}},
			{Name: "offsite", Points: map[string]Point{"db": point(7*time.Minute, 40*time.Minute), "www": point(30*time.Minute, 15*time.Minute)}},
		},
	}
}

// set changes a point of a plan.
func (f *Facts) set(copied int, source string, change func(*Point)) {
	p := f.Copies[copied].Points[source]
	change(&p)
	f.Copies[copied].Points[source] = p
}

// A restore has a part that does not grow with what is restored. Two of different
// size tell how large it is; one is taken to have none.
func TestForecast(t *testing.T) {
	minutes := func(took float64, bytes uint64) Test {
		return Test{Took: time.Duration(took * float64(time.Minute)), Bytes: bytes}
	}
	for _, c := range []struct {
		name    string
		bytes   uint64
		last    Test
		earlier []Test
		want    float64 // minutes
		how     string
	}{
		{"no larger", 100, minutes(10, 100), []Test{minutes(5, 50)}, 10, ""},
		{"smaller", 10, minutes(10, 100), nil, 10, ""},
		{"one size", 200, minutes(10, 100), nil, 20, "rough"},
		{"nearly one size", 200, minutes(10, 100), []Test{minutes(1, 99)}, 20, "rough"},
		{"two sizes", 200, minutes(10, 100), []Test{minutes(7, 50)}, 16, "4m0s of it do not grow"},
		{"the earlier was larger", 200, minutes(7, 50), []Test{minutes(10, 100)}, 16, "4m0s of it do not grow"},
		{"the newest of the earlier", 200, minutes(10, 100), []Test{minutes(7, 50), minutes(1, 50)}, 16, "do not grow"},
		{"one that tells comes later", 200, minutes(10, 100), []Test{minutes(9, 99), minutes(12, 50), minutes(7, 50)}, 16, "do not grow"},
		{"faster when larger", 200, minutes(10, 100), []Test{minutes(12, 50)}, 20, "rough"},
		{"slower than its size", 200, minutes(10, 100), []Test{minutes(1, 50)}, 20, "rough"},
		{"the size is not known", 200, minutes(10, 0), nil, 10, ""},
	} {
		p := Point{Bytes: c.bytes, Test: &c.last, Earlier: c.earlier}
		took, how := p.forecast()
		if diff := took.Minutes() - c.want; diff < -0.001 || diff > 0.001 || !strings.Contains(how, c.how) || (c.how == "") != (how == "") {
			t.Errorf("%s: %v, %q", c.name, took, how)
		}
	}
}

// A part of a source takes the fixed part as well.
func TestForecastOfLess(t *testing.T) {
	last, earlier := Test{Took: 10 * time.Minute, Bytes: 100}, []Test{{Took: 7 * time.Minute, Bytes: 50}}
	if took, fixed, ok := last.Forecast(50, earlier); took != 7*time.Minute || fixed != 4*time.Minute || !ok {
		t.Errorf("%v, %v, %v", took, fixed, ok)
	}
	if took, _, ok := last.Forecast(50, nil); took != 5*time.Minute || ok {
		t.Errorf("by one size: %v, %v", took, ok)
	}
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		name     string
		change   func(*Facts)
		rpo, rto State
		reason   string // in either
	}{
		{"all is well", func(*Facts) {}, Met, Met, "of www that can be restored is of 2026-06-01 11:55:00 UTC, in local"},
		{"near", func(f *Facts) { f.RPO, f.RTO = 6*time.Minute, 30*time.Minute }, Near, Near, ""},
		{"exactly", func(f *Facts) { f.RPO, f.RTO = 5*time.Minute, 25*time.Minute }, Near, Near, ""},
		{"breached", func(f *Facts) { f.RPO, f.RTO = 4*time.Minute, 24*time.Minute }, Breached, Breached, ""},
		{"nothing promised", func(f *Facts) { f.RPO, f.RTO = 0, 0 }, Unpromised, Unpromised, ""},
		{"a copy takes its place", func(f *Facts) { f.Copies[0].Down = "gone" }, Breached, Near, "local: it cannot be listed: gone"},
		{"errors found", func(f *Facts) { f.Copies[0].Wrong = "errors were found" }, Breached, Near, "errors were found"},
		{"a restore test failed", func(f *Facts) { f.set(0, "db", func(p *Point) { p.Failed = "empty table" }) }, Met, Near, "empty table"},
		{"failed everywhere", func(f *Facts) {
			for k := range f.Copies {
				f.set(k, "db", func(p *Point) { p.Failed = "empty table" })
			}
		}, Unknown, Unknown, "nothing of db can be restored"},
		{"never backed up", func(f *Facts) { f.Sources = append(f.Sources, "new") }, Unknown, Unknown, "it holds nothing of new"},
		{"never tested", func(f *Facts) {
			for k := range f.Copies {
				f.set(k, "www", func(p *Point) { p.Test = nil })
			}
		}, Met, Unknown, "no restore of www was measured"},
		{"grown", func(f *Facts) {
			for k := range f.Copies {
				f.set(k, "db", func(p *Point) { p.Bytes = 6000 })
			}
		}, Met, Breached, "of 16% of its size now"},
		{"grown beyond measure", func(f *Facts) {
			for k := range f.Copies {
				f.set(k, "db", func(p *Point) { p.Bytes = 600_000 })
			}
		}, Met, Breached, "of less than 1% of its size now; `holdfast verify` measures it again"},
		{"shrunk", func(f *Facts) { f.set(0, "db", func(p *Point) { p.Bytes = 1 }) }, Met, Met, ""},
		{"a clock ahead", func(f *Facts) { f.set(0, "www", func(p *Point) { p.Time = now.Add(time.Hour) }) }, Met, Met, ""},
		{"no sources", func(f *Facts) { f.Sources = nil }, Unknown, Unknown, "no source"},
	} {
		f := plan()
		test.change(&f)
		s := Judge(f)
		if s.RPO.State != test.rpo || s.RTO.State != test.rto {
			t.Errorf("%s: RPO %+v, RTO %+v", test.name, s.RPO, s.RTO)
		}
		if !strings.Contains(s.RPO.Reason+s.RTO.Reason, test.reason) {
			t.Errorf("%s: %q and %q do not say %q", test.name, s.RPO.Reason, s.RTO.Reason, test.reason)
		}
	}
}

func TestCopiesAreCountedSeparately(t *testing.T) {
	s := Judge(plan())
	if s.RPO.Value != 5*time.Minute || s.RTO.Value != 25*time.Minute {
		t.Errorf("the plan: %+v", s)
	}
	if c := s.Copies[0]; c.RPO.Value != 5*time.Minute || c.RTO.Value != 30*time.Minute || c.RPO.State != Met {
		t.Errorf("local: %+v", c)
	}
	if c := s.Copies[1]; c.RPO.Value != 30*time.Minute || c.RTO.Value != 55*time.Minute || c.RPO.State != Breached || c.RTO.State != Near {
		t.Errorf("offsite: %+v", c)
	}
}

// One copy more never makes the data older or its return slower.
func TestMoreCopiesNeverHarm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Facts{Now: now, RPO: time.Hour, RTO: time.Hour, Sources: []string{"a", "b"}}
		for range rapid.IntRange(2, 4).Draw(t, "copies") {
			c := Copy{Name: "c", Points: map[string]Point{}}
			if rapid.Bool().Draw(t, "down") {
				c.Down = "down"
			}
			for _, source := range f.Sources {
				if rapid.Bool().Draw(t, "has") {
					minutes := func(name string) time.Duration {
						return time.Duration(rapid.IntRange(0, 200).Draw(t, name)) * time.Minute
					}
					c.Points[source] = Point{Time: now.Add(-minutes("age")), Bytes: 7, Test: &Test{Took: minutes("took"), Bytes: 5}}
				}
			}
			f.Copies = append(f.Copies, c)
		}
		all := Judge(f)
		f.Copies = f.Copies[1:]
		fewer := Judge(f)
		for _, o := range [][2]Standing{{all.RPO, fewer.RPO}, {all.RTO, fewer.RTO}} {
			if o[1].State != Unknown && (o[0].State == Unknown || o[0].Value > o[1].Value) {
				t.Fatalf("with one more: %+v; without: %+v", o[0], o[1])
			}
		}
	})
}

func TestChanges(t *testing.T) {
	at := func(rpo, rto time.Duration) *Standings {
		f := plan()
		f.RPO, f.RTO = rpo, rto
		return Judge(f)
	}
	met, near, breached := at(time.Hour, 5*time.Hour), at(6*time.Minute, 5*time.Hour), at(time.Minute, 5*time.Hour)
	for _, test := range []struct {
		name          string
		before, after *Standings
		kind          event.Kind
		over          bool
	}{
		{"first look, well", nil, met, "", false},
		{"first look, breached", nil, breached, event.ObjectiveBreached, false},
		{"still breached", breached, breached, "", false},
		{"near", met, near, event.ObjectiveNear, false},
		{"worse", near, breached, event.ObjectiveBreached, false},
		{"better", breached, near, event.ObjectiveNear, false},
		{"kept again", breached, met, event.ObjectiveBreached, true},
		{"far again", near, met, event.ObjectiveNear, true},
	} {
		events := Changes(test.before, test.after, now)
		if test.kind == "" {
			if len(events) != 0 {
				t.Errorf("%s: %+v", test.name, events)
			}
			continue
		}
		if len(events) != 1 || events[0].Kind != test.kind || events[0].Over != test.over || events[0].Key != "shop/objective/RPO" || !events[0].Time.Equal(now) || events[0].Summary == "" {
			t.Errorf("%s: %+v", test.name, events)
		}
	}
	lost := plan()
	lost.Copies = nil
	events := Changes(met, Judge(lost), now)
	if len(events) != 2 || events[0].Severity != event.Critical || !strings.Contains(events[0].Summary, "not known") {
		t.Errorf("all is lost: %+v", events)
	}
}

// What would be lost grows with the clock, and when that makes a standing worse
// is known before.
func TestStandingsGrowWorse(t *testing.T) {
	point := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	looked := Judge(Facts{
		Plan: "shop", Now: point.Add(10 * time.Minute), RPO: 100 * time.Minute, Sources: []string{"www:a"},
		Copies: []Copy{{Name: "local", Points: map[string]Point{"www:a": {Time: point}}}},
	}).RPO
	for _, c := range []struct {
		minutes float64
		state   State
		next    float64 // when it worsens, 0 for never
	}{{10, Met, 80}, {79.9, Met, 80}, {80, Near, 100}, {100, Near, 100}, {100.1, Breached, 0}} {
		s := looked.At(point.Add(time.Duration(c.minutes * float64(time.Minute))))
		if s.State != c.state || s.Value != time.Duration(c.minutes*float64(time.Minute)) {
			t.Errorf("after %v minutes: %+v", c.minutes, s)
		}
		if next := s.Worsens(); next.IsZero() != (c.next == 0) || c.next != 0 && next.Sub(point).Round(time.Second).Minutes() != c.next {
			t.Errorf("after %v minutes: it worsens at %v", c.minutes, next)
		}
	}
	if s := looked.At(point); s.Value != looked.Value { // the clock was set back
		t.Errorf("got %+v", s)
	}
	unknown := Standing{State: Unknown, Promised: time.Hour, Point: point}
	if s := unknown.At(point.Add(5 * time.Hour)); s != unknown || !s.Worsens().IsZero() {
		t.Errorf("got %+v", s)
	}
	if s := (Standing{Point: point}).At(point.Add(time.Hour)); s.State != Unpromised || s.Value != time.Hour {
		t.Errorf("got %+v", s)
	}
}
