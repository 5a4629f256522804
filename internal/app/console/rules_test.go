package console

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/event"
	"holdfast/internal/history"
	"holdfast/internal/pattern"
)

func TestNextStep(t *testing.T) {
	for _, c := range []struct {
		run  history.Run
		want string
	}{
		{history.Run{Outcome: history.Succeeded}, ""},
		{history.Run{Job: history.Backup, Outcome: history.Failed, Reason: "write /srv/x: no space left on device"}, "Free space"},
		{history.Run{Job: history.Backup, Outcome: history.Failed, Reason: "dial tcp 10.0.0.1:22: connect: connection refused"}, "See whether the host"},
		{history.Run{Job: history.Backup, Outcome: history.Failed, Reason: "what nobody knows"}, "Read the log"},
		{history.Run{Job: history.Check, Outcome: history.Failed, Reason: "3 packs are wrong"}, "Do not prune"},
		{history.Run{Job: history.RestoreTest, Outcome: history.Failed, Reason: "3 rows are missing"}, "did not come back"},
		{history.Run{Job: history.Restore, Outcome: history.Interrupted, Reason: "the service was stopped"}, "Begin it again"},
		{history.Run{Job: history.Backup, Outcome: history.Interrupted, Reason: "the service was stopped"}, "by itself"},
		{history.Run{Job: history.Backup, Outcome: history.Interrupted, Reason: "it was stopped by ann"}, "when it is due"},
		{history.Run{Job: history.Backup, Outcome: history.Partial}, "what is missing"},
		{history.Run{Job: history.Backup, Outcome: history.Skipped}, "Start it now"},
	} {
		if got := nextStep(&c.run); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%+v: %q, want %q", c.run, got, c.want)
		}
	}
}

// Restores stay below their folders, whatever the path looks like.
func TestBelow(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "restores")
	for _, path := range []string{root, filepath.Join(dir, "other")} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"out": dir, "in": root} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]bool{
		root + "/a": true, root + "/a/b/c": true, root + "/in/a": true,
		root: false, root + "/../other": false, root + "x": false, dir: false, "/": false, root + "/out/other": false, root + "/out/new": false,
	} {
		if _, got := below(filepath.Clean(path), []string{root}); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	// A folder for restores may itself be reached through a symlink.
	if err := os.Symlink(root, filepath.Join(dir, "alias")); err != nil {
		t.Fatal(err)
	}
	if _, ok := below(filepath.Join(dir, "alias", "x"), []string{filepath.Join(dir, "alias")}); !ok {
		t.Error("a folder that is a symlink is refused")
	}
}

// A path restores itself and what is below it, whatever it is called.
func TestLiteral(t *testing.T) {
	for _, path := range []string{"/srv/a", `/srv/[x]*?\`, "/srv/**", "/!x", "/ü \n"} {
		list, err := pattern.Parse([]string{literal(path)})
		if err != nil {
			t.Errorf("%q: %v", path, err)
			continue
		}
		if !list.Match(path) {
			t.Errorf("%q does not match itself", path)
		}
		if list.Match("/srv/b") {
			t.Errorf("%q matches another", path)
		}
	}
}

func TestBrokenFor(t *testing.T) {
	from := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	at := func(hours int) time.Time { return from.Add(time.Duration(hours) * time.Hour) }
	change := func(hours int, kind event.Kind, over bool) event.Event {
		return event.Event{Time: at(hours), Kind: kind, Key: "shop/objective/RPO", Over: over}
	}
	broken, near, kept := event.ObjectiveBreached, event.ObjectiveNear, event.ObjectiveBreached
	for _, c := range []struct {
		name   string
		events []event.Event // the newest first
		want   float64
	}{
		{"nothing", nil, 0},
		{"since before", []event.Event{change(-5, broken, false)}, 100},
		{"from before until", []event.Event{change(7, kept, true), change(-5, broken, false)}, 7},
		{"twice", []event.Event{change(90, broken, false), change(20, kept, true), change(10, broken, false)}, 20},
		{"told again", []event.Event{change(20, kept, true), change(15, broken, false), change(10, broken, false)}, 10},
		{"near", []event.Event{change(30, kept, true), change(20, near, false), change(10, broken, false)}, 10},
		{"another", []event.Event{{Time: at(10), Kind: broken, Key: "www/objective/RPO"}}, 0},
	} {
		if got := brokenFor(c.events, "shop/objective/RPO", from, at(100)); got != c.want*3600 {
			t.Errorf("%s: %v hours, want %v", c.name, got/3600, c.want)
		}
	}
}

// A listener that lags loses updates and is told; others lose none.
func TestALaggingListener(t *testing.T) {
	c := &Console{}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	busy, got := make(chan struct{}), make(chan api.Update, 4*maxBehind)
	subscribed := func(n int) {
		for {
			c.hub.mu.Lock()
			there := len(c.hub.listeners)
			c.hub.mu.Unlock()
			if there == n {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	go c.Subscribe(ctx, func(u api.Update) { //nolint:errcheck // it ends with the test
		<-busy
		got <- u
	})
	subscribed(1)
	for range 2 * maxBehind {
		c.hub.publish(api.Update{Surveyed: true})
	}
	close(busy)
	seen := 0
	for ; seen < maxBehind; seen++ {
		if u := <-got; !u.Surveyed {
			t.Fatalf("update %d is %+v", seen, u)
		}
	}
	for lost := false; !lost; {
		c.hub.publish(api.Update{Surveyed: true})
		lost = (<-got).Lost
	}
	stop()
	subscribed(0)
}

// A word that is misspelt is refused, and not answered with nothing.
func TestUnknownRunsAreRefused(t *testing.T) {
	for _, c := range []struct {
		query api.RunQuery
		known string
	}{
		{api.RunQuery{Outcome: "faild"}, "running, succeeded, partial, failed"},
		{api.RunQuery{Job: "backups"}, "backup, copy"},
	} {
		if _, err := new(Console).Runs(t.Context(), c.query); !errors.Is(err, api.ErrInvalid) || !strings.Contains(err.Error(), c.known) {
			t.Errorf("%+v: %v", c.query, err)
		}
	}
}
