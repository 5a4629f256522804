package console

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/app/status"
)

var noon = time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC)

func TestWhatARecoveryWouldDoIsKnownBefore(t *testing.T) {
	var asked []string
	var fails error
	c := &Console{o: Options{Try: func(_ context.Context, args []string, line func([]byte)) error {
		asked = args
		line([]byte(`{"message_type":"status","total_files":1}`))
		line([]byte(`{"message_type":"summary","total_files":991,"total_bytes":23350930,"dry_run":true}`))
		return fails
	}}}
	args := make([]string, 0, 8)
	args = append(args, "restore", "--plan", "shop")
	var p api.RestorePlan
	if err := c.foretell(t.Context(), args, &p); err != nil || p.Files != 991 || p.Bytes != 23350930 {
		t.Errorf("%d files, %d bytes, %v", p.Files, p.Bytes, err)
	}
	if want := []string{"restore", "--plan", "shop", "--dry-run", "--json"}; !slices.Equal(asked, want) {
		t.Errorf("asked with %q", asked)
	}
	if got := args[:5]; slices.Contains(got, "--dry-run") {
		t.Error("the command to run is not the one that was asked for")
	}
	fails = errors.New("2026-11-23 01:00:00 cannot be recovered to: the log has a gap")
	if err := c.foretell(t.Context(), args, &p); !errors.Is(err, api.ErrConflict) || !errors.Is(err, fails) {
		t.Errorf("got %v", err)
	}
}

// Where the log of a database ends moves on between what is shown and what is
// confirmed; an instant that was asked for does not.
func TestConfirmationOfTheNewest(t *testing.T) {
	c := &Console{confirmKey: []byte("key")}
	newest := api.RestorePlan{Request: api.RestoreRequest{Plan: "shop"}, Recovery: noon}
	later := newest
	later.Recovery = noon.Add(1)
	if c.confirmation(&newest) != c.confirmation(&later) {
		t.Error("a log that goes on is another plan")
	}
	newest.Request.Time, later.Request.Time = noon, noon.Add(1)
	if c.confirmation(&newest) == c.confirmation(&later) {
		t.Error("another instant is the same plan")
	}
}

// --to-time reads an offset, and no Z.
func TestInstantOnTheCommandLine(t *testing.T) {
	args, err := restoreArgs(&api.RestoreRequest{Time: noon.Add(1500 * time.Millisecond), Target: "/x"}, &recovery{database: true, plan: "shop"})
	if err != nil || !slices.Contains(args, "2026-11-05 12:00:01.5+00:00") {
		t.Errorf("%q, %v", args, err)
	}
}

// How long a part of a source takes is told from restore tests of two sizes, as
// what `status` says is.
func TestForecast(t *testing.T) {
	c := &Console{}
	test := func(minutes int, seconds float64, bytes uint64) status.Test {
		return status.Test{Plan: "site", Source: "www", From: "local", Time: noon.Add(time.Duration(minutes) * time.Minute), Seconds: seconds, Bytes: bytes}
	}
	failed := test(3, 1, 1000)
	failed.Failed = "a file is missing"
	c.Surveyed(map[string]PlanSurvey{"site": {Repositories: []RepositorySurvey{
		{Name: "copy", Tests: []status.Test{failed, test(1, 70, 500)}}, {Name: "local", Tests: []status.Test{test(2, 100, 1000)}},
	}}}, true)
	for _, want := range []struct {
		source  string
		bytes   uint64
		seconds float64
	}{{"www", 250, 55}, {"www", 2000, 160}, {"db", 250, 0}} {
		if got := c.forecast(&recovery{plan: "site", source: want.source, repository: "local"}, want.bytes); got != want.seconds {
			t.Errorf("%d bytes of %s: %v s, want %v", want.bytes, want.source, got, want.seconds)
		}
	}
}
