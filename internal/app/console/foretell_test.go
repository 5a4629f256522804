package console

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"holdfast/internal/api"
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
