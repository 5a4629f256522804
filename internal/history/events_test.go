package history_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"holdfast/internal/event"
	"holdfast/internal/history"
)

// Events are there after a restart, the newest first, in the order in which
// they were emitted.
func TestEventsAreFoundAgain(t *testing.T) {
	dir := t.TempDir()
	for round := range 2 {
		events, err := history.OpenEvents(history.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- events.Run(ctx) }()
		for n := range 100 {
			events.Emit(event.Event{
				Time: start.Add(time.Duration(100*round+n) * time.Second), Kind: event.RunFailed, Severity: event.Severity(n % 4), Plan: fmt.Sprint("plan-", n%5), Summary: fmt.Sprint(100*round + n),
			})
		}
		if round == 0 {
			stop()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if err := events.Close(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for _, c := range []struct {
			filter history.EventFilter
			want   string
		}{
			{history.EventFilter{Limit: 3}, "[199 198 197]"},
			{history.EventFilter{Plan: "plan-3", Limit: 2}, "[198 193]"},
			{history.EventFilter{MinSeverity: event.Critical, Limit: 2}, "[199 195]"},
			{history.EventFilter{Kind: event.RunMissed}, "[]"},
			{history.EventFilter{Until: start.Add(2 * time.Second)}, "[2 1 0]"},
			{history.EventFilter{Since: start.Add(199 * time.Second)}, "[199]"},
		} {
			found, err := events.Select(c.filter)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, e := range found {
				got = append(got, e.Summary)
			}
			if fmt.Sprint(got) != c.want {
				t.Errorf("%+v: %v, want %s", c.filter, got, c.want)
			}
		}
		stop()
		<-ended
		if err := events.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
