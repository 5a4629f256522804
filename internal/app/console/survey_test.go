package console

import (
	"testing"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/config"
	"holdfast/internal/objective"
)

// What would be lost is as of now, not as of the last survey: a promise that is
// broken in between makes the plan unsafe.
func TestAPromiseIsBrokenBetweenSurveys(t *testing.T) {
	point := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	met := Standing{State: objective.Met, Seconds: 60, Promised: 600, Source: "www:a", Point: point}
	s := PlanSurvey{
		At: point.Add(time.Minute), Newest: point, RPO: met,
		Repositories: []RepositorySurvey{{Name: "local", Holds: true, Newest: point, RPO: met}},
	}
	cfg := &config.Config{Plans: map[string]config.Plan{"shop": {Repository: "local"}}}
	for _, c := range []struct {
		after   time.Duration
		state   objective.State
		verdict api.Verdict
		lacks   int
	}{
		{time.Minute, objective.Met, api.AtRisk, 0}, // never proven
		{9 * time.Minute, objective.Near, api.AtRisk, 0},
		{11 * time.Minute, objective.Breached, api.Unsafe, 1},
	} {
		p := planSeen(cfg, "shop", nil, s, point.Add(c.after))
		if p.Verdict != c.verdict || p.RPO.State != c.state || p.RPO.Measured != c.after.Seconds() || p.Places[0].RPO.Measured != c.after.Seconds() || len(p.Missing) != c.lacks {
			t.Errorf("after %v: %s (%s), %+v, %+v", c.after, p.Verdict, p.Why, p.RPO, p.Missing)
		}
	}
}

// Before a promise is nearer to being broken the plan is looked at once more,
// and then when it is.
func TestWorsening(t *testing.T) {
	now := time.Now()
	c := &Console{}
	if plan, _ := c.Worsening(); plan != "" {
		t.Errorf("nothing is known, and %s worsens", plan)
	}
	standing := func(state objective.State, minutes int) PlanSurvey {
		return PlanSurvey{RPO: Standing{State: state, Promised: 600, Point: now.Add(time.Duration(minutes) * time.Minute)}}
	}
	c.Surveyed(map[string]PlanSurvey{"later": standing(objective.Met, 5), "shop": standing(objective.Met, 0), "broken": standing(objective.Breached, -20)}, true)
	if plan, at := c.Worsening(); plan != "shop" || !at.Equal(now.Add(8*time.Minute-surveyLead)) {
		t.Errorf("%s at %v", plan, at.Sub(now))
	}
	c.Surveyed(map[string]PlanSurvey{"shop": standing(objective.Near, -10)}, true)
	if plan, at := c.Worsening(); plan != "shop" || !at.Equal(now.Add(time.Nanosecond)) {
		t.Errorf("%s at %v", plan, at.Sub(now))
	}
}

// A database is restored from a copy whose log leads there, and from the first
// of the plan if several do.
func TestBestLog(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 5, 1, hour, 0, 0, 0, time.UTC) }
	log := func(repository string, from, to int) api.SourceLog {
		return api.SourceLog{Repository: repository, To: at(to), Ranges: []api.Range{{From: at(from), To: at(to)}}}
	}
	survey := func(down string, logs ...api.SourceLog) PlanSurvey {
		return PlanSurvey{
			Sources:      []SourceSurvey{{Source: "www:shop", Newest: at(1), Logs: logs}},
			Repositories: []RepositorySurvey{{Name: "local"}, {Name: "nas"}, {Name: down, Down: "connection refused"}},
		}
	}
	plan := &config.Plan{Repository: "local", Copies: []config.Copy{{To: "nas"}}}
	for name, c := range map[string]struct {
		survey PlanSurvey
		hour   int // 0 for the newest
		want   string
	}{
		"both have it":            {survey("", log("local", 2, 9), log("nas", 2, 9)), 5, "local"},
		"a gap in the first":      {survey("", log("local", 7, 9), log("nas", 2, 9)), 5, "nas"},
		"nobody has it":           {survey("", log("local", 7, 9), log("nas", 7, 9)), 5, ""},
		"the newest":              {survey("", log("local", 2, 8), log("nas", 2, 9)), 0, "nas"},
		"the newest, of both":     {survey("", log("nas", 2, 9), log("local", 2, 9)), 0, "local"},
		"the first is down":       {survey("local", log("local", 2, 9), log("nas", 2, 8)), 5, "nas"},
		"only one that is down":   {survey("nas", log("local", 7, 9), log("nas", 2, 9)), 5, "nas"},
		"the newest is not there": {survey("local", log("local", 2, 9), log("nas", 2, 8)), 0, "nas"},
		"nothing is known":        {PlanSurvey{}, 5, ""},
	} {
		console := &Console{}
		console.Surveyed(map[string]PlanSurvey{"shop": c.survey}, true)
		q := &api.RestoreRequest{Plan: "shop", Source: "shop"}
		if c.hour > 0 {
			q.Time = at(c.hour)
		}
		if got := console.bestLog(plan, q); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
