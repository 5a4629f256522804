package standing_test

import (
	"strings"
	"testing"
	"time"

	"holdfast/internal/objective"
	"holdfast/internal/standing"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func well() standing.Facts {
	return standing.Facts{
		Now: now, Surveyed: now, Newest: now.Add(-time.Hour), Proven: now.Add(-48 * time.Hour), Tested: now.Add(-48 * time.Hour),
		RPO:    objective.Standing{State: objective.Met, Value: time.Hour, Promised: 24 * time.Hour},
		RTO:    objective.Standing{State: objective.Met, Value: time.Minute, Promised: time.Hour},
		Copies: []standing.Copy{{Name: "local", HoldsNewest: true}, {Name: "nas", HoldsNewest: true}},
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*standing.Facts)
		want   standing.Verdict
		why    string
	}{
		{"all is well", func(*standing.Facts) {}, standing.Safe, "proven 2 days ago"},
		{"one place", func(f *standing.Facts) { f.Lacks = []string{"copies", "off-site"} }, standing.Safe, "lacks: copies, off-site"},
		{"never looked", func(f *standing.Facts) { f.Surveyed = time.Time{} }, standing.Unknown, "not looked"},
		{"no backup", func(f *standing.Facts) { f.Newest = time.Time{} }, standing.Unsafe, "no backup yet"},
		{"one source lacks", func(f *standing.Facts) {
			f.RPO = objective.Standing{State: objective.Unknown, Reason: "nothing of db can be restored: local: gone"}
		}, standing.Unsafe, "Nothing of db can be restored"},
		{"too old", func(f *standing.Facts) { f.RPO.State, f.RPO.Value = objective.Breached, 50*time.Hour }, standing.Unsafe, "The work of 2 days would be lost, and at most 24 hours is promised."},
		{"too slow", func(f *standing.Facts) { f.RTO.State, f.RTO.Value = objective.Breached, 3*time.Hour }, standing.Unsafe, "takes 3 hours"},
		{"nearly too old", func(f *standing.Facts) { f.RPO.State = objective.Near }, standing.AtRisk, "nearly broken"},
		{"nearly too slow", func(f *standing.Facts) { f.RTO.State = objective.Near }, standing.AtRisk, "nearly broken"},
		{"not measured", func(f *standing.Facts) { f.RTO.State, f.Proven = objective.Unknown, time.Time{} }, standing.AtRisk, "never proven"},
		{"an old proof", func(f *standing.Facts) { f.Proven = now.Add(-40 * 24 * time.Hour) }, standing.AtRisk, "40 days ago"},
		{"a test that failed", func(f *standing.Facts) { f.Failed = "3 rows are missing" }, standing.AtRisk, "3 rows are missing."},
		{"a copy is down", func(f *standing.Facts) { f.Copies[1].Down = "connection refused" }, standing.AtRisk, "nas cannot be reached: Connection refused."},
		{"a copy is behind", func(f *standing.Facts) { f.Copies[1] = standing.Copy{Name: "nas", Behind: 90 * time.Minute} }, standing.AtRisk, "nas is 90 minutes behind"},
		{"a copy lacks", func(f *standing.Facts) { f.Copies[1].HoldsNewest = false }, standing.AtRisk, "nas lacks"},
		{"one disk", func(f *standing.Facts) { f.Lacks = []string{"disk", "copies"} }, standing.AtRisk, "Losing one disk"},
		{"no end of a log", func(f *standing.Facts) { f.Lacks = []string{"copies", "log"} }, standing.AtRisk, "without anybody noticing"},
		{"errors", func(f *standing.Facts) { f.Lacks = []string{"errors"} }, standing.AtRisk, "Errors"},
	} {
		f := well()
		c.change(&f)
		if got, why := standing.Judge(f); got != c.want || !strings.Contains(why, c.why) {
			t.Errorf("%s: %s, %q; want %s with %q", c.name, got, why, c.want, c.why)
		}
	}
}
