package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/evidence"
	"holdfast/repository"
	"holdfast/storage/local"
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

// A snapshot that did not come back is tested again, every other time, until it
// does or is gone; of several the one that was tested longest ago.
func TestAFailedPointIsTestedAgain(t *testing.T) {
	test := func(snapshot string, v evidence.Verdict, again bool, checks ...evidence.TestCheck) *evidence.Record {
		rec := &evidence.Record{RestoreTest: &evidence.RestoreTest{SourceKind: kindFiles, Point: evidence.TestPoint{Snapshot: snapshot, Again: again}, Verdict: v, Checks: checks}}
		if v == evidence.Failed {
			rec.Problems = 1
		}
		return rec
	}
	bad, good, own := evidence.Failed, evidence.Proven, evidence.TestCheck{Name: "canary"}
	there := map[string]bool{"a": true, "b": true, "c": true}
	for _, c := range []struct {
		name        string
		newestFirst []*evidence.Record
		want        string
	}{
		{"the first one", nil, ""},
		{"all is good", []*evidence.Record{test("b", good, false), test("a", good, false)}, ""},
		{"it has just failed", []*evidence.Record{test("a", bad, false)}, "a"},
		{"another one is good", []*evidence.Record{test("b", good, false), test("a", bad, false)}, "a"},
		{"it was just tested again", []*evidence.Record{test("a", bad, true), test("b", good, false), test("a", bad, false)}, ""},
		{"it came back", []*evidence.Record{test("b", good, false), test("a", good, true), test("a", bad, false)}, ""},
		{"it came back once", []*evidence.Record{test("b", good, false), test("a", bad, false), test("a", good, false)}, "a"},
		{"two in turn", []*evidence.Record{test("c", good, false), test("a", bad, true), test("b", bad, false), test("a", bad, false)}, "b"},
		{"it was removed", []*evidence.Record{test("b", good, false), test("gone", bad, false)}, ""},
		{"nothing could be opened", []*evidence.Record{test("", bad, false)}, ""},
		{"the source was wrong", []*evidence.Record{test("b", good, false), test("a", bad, false, own)}, ""},
		{"nothing was found out", []*evidence.Record{test("a", evidence.NotJudged, false), test("a", bad, false)}, "a"},
	} {
		if got := failedPoint(c.newestFirst, there, func(name string) bool { return name == own.Name }); got != c.want {
			t.Errorf("%s: %q is tested again, want %q", c.name, got, c.want)
		}
	}
}

// A test that failed is made again also when its record could not be kept in
// the repository that it was of, and so is in another one of the plan.
func TestAFailedPointWithItsRecordElsewhereIsTestedAgain(t *testing.T) {
	s := newShell(t)
	s.makeRepository("offsite")
	s.write("letter", "Dear Ann")
	config := s.path("holdfast.yaml")
	text := fmt.Sprintf(`repositories:
  local: { url: %[1]q, password: { env: HOLDFAST_PASSWORD } }
  offsite: { url: %[2]q, password: { env: HOLDFAST_PASSWORD } }
sources:
  www: { files: { paths: [%[3]q] } }
plans:
  www: { sources: [www], repository: local, copies: [offsite] }
`, s.repo, s.path("offsite"), s.path("source"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOLDFAST_REPOSITORY", "")
	t.Setenv("HOLDFAST_CONFIG", config)
	s.run(exitOK, "plan", "run", "www")
	open := func(dir string) *repository.Repository {
		store, err := local.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		r, err := repository.Open(t.Context(), store, repository.Options{Password: []byte(os.Getenv("HOLDFAST_PASSWORD"))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
	r, keeper := open(s.repo), open(s.path("offsite"))
	made, err := r.Snapshots(t.Context())
	if err != nil || len(made) != 1 {
		t.Fatal(made, err)
	}
	rec := evidence.Record{Kind: evidence.Restore, Time: time.Now(), Problems: 1, RestoreTest: &evidence.RestoreTest{
		Plan: "www", Source: "www", SourceKind: kindFiles, From: evidence.Place{Name: "local"}, Verdict: evidence.Failed,
		Point: evidence.TestPoint{Asked: pointNewest, Snapshot: made[0].ID.String()},
	}}
	if _, err := evidence.Save(t.Context(), keeper, rec, nil); err != nil {
		t.Fatal(err)
	}
	s.wants(s.run(exitOK, "verify", "--plan", "www"), made[0].ID.Short()+" is tested again first")
	if text := s.run(exitOK, "verify", "--plan", "www"); strings.Contains(text, "again first") {
		t.Errorf("it came back, and is tested again:\n%s", text)
	}
}
