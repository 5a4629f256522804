package evidence

import "testing"

// What failed decides what ends it.
func TestFailure(t *testing.T) {
	own := func(name string) bool { return name == "canary" }
	point := TestPoint{Snapshot: "0f5a"}
	restored, not := []Step{{Name: "restore"}}, []Step{{Name: "restore", Error: "a pack is damaged"}}
	for _, c := range []struct {
		name     string
		test     RestoreTest
		problems int
		want     Failure
	}{
		{"no repository", RestoreTest{}, 1, OfPlace},
		{"a file is damaged", RestoreTest{Point: point}, 1, OfPoint},
		{"a canary died", RestoreTest{Point: point, Checks: []TestCheck{{Name: "canary"}}}, 1, OfSource},
		{"a canary died, and a file is damaged", RestoreTest{Point: point, Checks: []TestCheck{{Name: "canary"}}}, 2, OfPoint},
		{"a check of every test failed", RestoreTest{Point: point, Checks: []TestCheck{{Name: "whole tree"}}}, 1, OfPoint},
		{"a base backup is damaged", RestoreTest{Point: point, SourceKind: "postgres", Steps: not}, 1, OfPoint},
		{"a base backup was not even read", RestoreTest{Point: point, SourceKind: "postgres"}, 1, OfPoint},
		{"the log has a gap", RestoreTest{Point: point, SourceKind: "postgres", Steps: restored}, 1, OfLog},
		{"a dump is cut short", RestoreTest{Point: point, SourceKind: "dump", Steps: restored}, 1, OfPoint},
	} {
		if got := c.test.Failure(c.problems, own); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}
