package cli

import (
	"os"
	"slices"
	"testing"
	"time"

	"holdfast/internal/app/service"
	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/history"
	"holdfast/repository/snapshot"
)

// Machines that share a repository and the names of plans do not take each
// other's runs and snapshots for their own; a machine that takes the place of
// one that is lost finds what that one did, whatever its name is.
func TestRebuildKeepsHostsApart(t *testing.T) {
	here, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	s := newShell(t)
	for name, test := range map[string]struct {
		receipts, named []string // hosts
		want            []string // whose runs and backups are taken over
	}{
		"this host among others":    {receipts: []string{here, "www2", ""}, want: []string{here, ""}},
		"a new host in its place":   {receipts: []string{"www1", ""}, want: []string{"www1", ""}},
		"a new host among others":   {receipts: []string{"www1", "www2"}, want: []string{"www1", "www2"}},
		"a new host that is told":   {receipts: []string{here, "www1", "www2"}, named: []string{"www2"}, want: []string{"www2"}},
		"before hosts were noted":   {receipts: []string{""}, want: []string{""}},
		"a repository without runs": {},
	} {
		t.Run(name, func(t *testing.T) {
			g := &gathered{
				cfg:       &config.Config{Plans: map[string]config.Plan{"shop": {Repository: "local", Sources: []string{"www"}}}},
				receipts:  map[string]service.Receipts{"local": {}},
				snapshots: map[string][]*snapshot.Snapshot{},
			}
			var newest time.Time
			for n, host := range test.receipts {
				at := now.Add(time.Duration(n) * time.Minute)
				g.pauses = append(g.pauses, service.PauseWish{Plan: "plan of " + host, At: at, Host: host, Pause: &controller.Pause{Reason: host}})
				g.receipts["local"][host] = []history.Run{{ID: host, Plan: "shop", Repository: "local", Ended: at}}
				g.snapshots["shop"] = append(g.snapshots["shop"], &snapshot.Snapshot{
					Time: at, Hostname: host, Tags: []string{"holdfast:plan=shop", "holdfast:source=www", "holdfast:type=full"},
				})
				if slices.Contains(test.want, host) {
					newest = at
				}
			}
			c := &command{ui: newUI(Streams{Out: os.Stderr, Err: os.Stderr}, globalFlags{})}
			counts, err := c.whoseCount(test.named, g.hosts())
			if err != nil {
				t.Fatal(err)
			}
			got := g.of(counts)
			if len(got.Runs) != len(test.want) {
				t.Errorf("taken over are %v", got.Runs)
			}
			for _, host := range test.want {
				if _, ok := got.Runs[host]; !ok {
					t.Errorf("the runs of %q are not taken over", host)
				}
				if got.Pauses["plan of "+host].Reason != host {
					t.Errorf("the pause of %q is not taken over", host)
				}
			}
			if len(got.Pauses) != len(test.want) {
				t.Errorf("taken over are the pauses %v", got.Pauses)
			}
			if !got.Receipts["local"].Equal(newest) || !got.Backups["shop"]["full"].Equal(newest) {
				t.Errorf("known until %v, backed up at %v, want %v", got.Receipts["local"], got.Backups["shop"], newest)
			}
		})
	}
	s.wants(s.run(exitFailed, "serve", "--host", "www1"), "--host is for --rebuild")
}
