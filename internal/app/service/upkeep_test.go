package service

import (
	"fmt"
	"testing"
	"time"

	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/schedule"
)

// As many checks as are due within the time read everything, each pack once,
// whatever hour the first of them is due at.
func TestRollingChecksReadEverythingInTime(t *testing.T) {
	for _, test := range []struct {
		schedule string
		within   time.Duration
		groups   int
	}{
		{"0 5 * * *", 30 * 24 * time.Hour, 30},
		{"0 5 * * *", 7 * 24 * time.Hour, 7},
		{"0 5 * * SUN", 30 * 24 * time.Hour, 4},
		{"0 5 * * SUN", 24 * time.Hour, 1}, // what is promised needs all of it each time
		{"0 * * * *", 30 * 24 * time.Hour, 256},
		{"@every 3s", 11 * time.Second, 3},
	} {
		n := groups(test.schedule, test.within)
		if n != test.groups {
			t.Errorf("%s within %v: %d groups, want %d", test.schedule, test.within, n, test.groups)
		}
		e, err := schedule.Parse(test.schedule, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		first := e.Next(time.Date(2026, time.March, 5, 17, 0, 0, 0, time.UTC))
		last := first
		for range n - 1 {
			last = e.Next(last)
		}
		if took := last.Sub(first); took > test.within {
			t.Errorf("%s: %d checks take %v, and everything was to be read within %v", test.schedule, n, took, test.within)
		}
		x := &executor{}
		read := make(map[string]bool)
		for round := 5; round < 5+n; round++ { // wherever it begins
			args := x.arguments(controller.Task{Run: controller.Run{Round: round}}, Work{Args: []string{"{round}"}, Groups: n})
			read[args[0]] = true
		}
		for k := range n {
			if part := fmt.Sprintf("%d/%d", k+1, n); !read[part] {
				t.Errorf("%s: no check reads %s", test.schedule, part)
			}
		}
	}
}

// What a run of prune rewrites in all its slices is no more than its budget.
func TestPruneStaysInItsBudget(t *testing.T) {
	for budget, want := range map[uint64]string{
		0:                  fmt.Sprint([]uint64{sliceBytes, sliceBytes, sliceBytes, sliceBytes}),
		2*sliceBytes + 100: fmt.Sprint([]uint64{sliceBytes, sliceBytes, 100, 0}),
		100:                "[100 0 0 0]",
	} {
		w := Work{Args: []string{"{budget}"}, BudgetBytes: budget}
		x := &executor{}
		var slices []string
		done := uint64(0)
		for range 4 {
			slices = append(slices, x.arguments(controller.Task{Run: controller.Run{Done: done}}, w)[0])
			done += w.slice(done)
		}
		if got := fmt.Sprint(slices); got != want {
			t.Errorf("a budget of %d is used as %s, want %s", budget, got, want)
		}
	}
}

// A receiver reads its settings when it begins: other ones have another begin,
// and what does not concern it does not.
func TestAReceiverIsReplaced(t *testing.T) {
	definition := func(change func(*config.Config)) string {
		t.Helper()
		c := &config.Config{
			Repositories: map[string]config.Repository{"local": {URL: "/srv/holdfast"}, "other": {URL: "/srv/other"}},
			Sources:      map[string]config.Source{"db": {Postgres: &config.Postgres{WAL: "push"}}},
			Plans:        map[string]config.Plan{"shop": {Sources: []string{"db"}, Repository: "local"}},
		}
		u := &c.Service.Upkeep
		for _, schedule := range []*string{&u.LogPrune.Schedule, &u.Prune.Schedule, &u.Check.Schedule, &u.Retention.Schedule, &u.Extend.Schedule} {
			*schedule = config.Off
		}
		change(c)
		jobs, _, err := Jobs(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			if j.Continuous {
				return j.Definition
			}
		}
		t.Fatal("nothing receives the log")
		return ""
	}
	before := definition(func(*config.Config) {})
	for _, c := range []struct {
		name     string
		replaced bool
		change   func(*config.Config)
	}{
		{"nothing", false, func(*config.Config) {}},
		{"how the log comes", true, func(c *config.Config) { c.Sources["db"].Postgres.WAL = "stream" }},
		{"where it goes", true, func(c *config.Config) { c.Repositories["local"] = config.Repository{URL: "/mnt/holdfast"} }},
		{"another repository", false, func(c *config.Config) { c.Repositories["other"] = config.Repository{URL: "/mnt/other"} }},
		{"who is told", false, func(c *config.Config) {
			p := c.Plans["shop"]
			p.Notify = []string{"ops"}
			c.Plans["shop"] = p
		}},
	} {
		if replaced := definition(c.change) != before; replaced != c.replaced {
			t.Errorf("%s changes: replaced %t", c.name, replaced)
		}
	}
}
