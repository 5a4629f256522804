package cli

import (
	"slices"
	"strings"
	"testing"

	"holdfast/internal/evidence"
)

// What failed is tested once more before it is the turn of others, and no more
// than once.
func TestWhatFailedIsTestedAgain(t *testing.T) {
	test := func(from, point string, v evidence.Verdict) *evidence.Record {
		return &evidence.Record{RestoreTest: &evidence.RestoreTest{From: evidence.Place{Name: from}, Point: evidence.TestPoint{Asked: point}, Verdict: v}}
	}
	bad, good := evidence.Failed, evidence.Proven
	for _, c := range []struct {
		name        string
		newestFirst []*evidence.Record
		again       bool
	}{
		{"good", []*evidence.Record{test("local", "newest", good), test("local", "newest", bad)}, false},
		{"the first one ever", []*evidence.Record{test("local", "newest", bad)}, true},
		{"another failed before", []*evidence.Record{test("local", "newest", bad), test("far", "newest", bad)}, true},
		{"another point failed before", []*evidence.Record{test("local", "newest", bad), test("local", "oldest", bad)}, true},
		{"it was good before", []*evidence.Record{test("local", "newest", bad), test("local", "newest", good)}, true},
		{"twice in a row", []*evidence.Record{test("local", "newest", bad), test("local", "newest", bad)}, false},
		{"not judged", []*evidence.Record{test("local", "newest", evidence.NotJudged)}, false},
	} {
		if got := failedOnce(c.newestFirst); got != c.again {
			t.Errorf("%s: again %t", c.name, got)
		}
	}
}

// Every repository gets each point, one after the other, also when one of them
// always fails, or is new.
func TestEveryPlaceGetsEachPoint(t *testing.T) {
	places, points := []string{"local", "far"}, []string{pointNewest, pointRandom, pointOldest}
	for _, c := range []struct {
		failing, first string
		want           string
	}{
		{"", "", "local newest, far newest, local random, far random, local oldest, far oldest, local newest"},
		{"far", "", "local newest, far newest, far newest, local random, far random, far random, local oldest, far oldest, far oldest, local newest"},
		{"", "gone", "local newest, far newest"},
	} {
		var tests []*evidence.Record // newest first
		if c.first != "" {
			tests = []*evidence.Record{{RestoreTest: &evidence.RestoreTest{From: evidence.Place{Name: c.first}, Point: evidence.TestPoint{Asked: pointNewest}}}}
		}
		var got []string
		for range strings.Split(c.want, ", ") {
			turn := turnAfter(tests, places, points)
			r := &evidence.RestoreTest{From: evidence.Place{Name: places[turn%2]}, Point: evidence.TestPoint{Asked: points[turn/2]}, Verdict: evidence.Proven}
			if r.From.Name == c.failing {
				r.Verdict = evidence.Failed
			}
			got = append(got, r.From.Name+" "+r.Point.Asked)
			tests = slices.Insert(tests, 0, &evidence.Record{RestoreTest: r})
		}
		if all := strings.Join(got, ", "); all != c.want {
			t.Errorf("%q fails: tested %s\nwant %s", c.failing, all, c.want)
		}
	}
}
