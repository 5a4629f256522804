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
