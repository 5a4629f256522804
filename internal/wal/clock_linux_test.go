package wal_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/internal/wal"
	"holdfast/storage/local"
	"holdfast/storage/mem"
)

// A clock that was far ahead for a while does not hide that nothing is archived
// any more: what it said of the last of the log is not believed. (The clock of a
// bubble is that of long ago, so that what is archived outside is of a time to
// come.)
func TestArchivedInAFuture(t *testing.T) {
	keys, store := newArchiver(t), mem.New()
	append3 := func(ctx context.Context, from int) {
		t.Helper()
		appendFrom(ctx, t, keys.open(t, store), from, 3)
	}
	var archived time.Time
	status := func(ctx context.Context) wal.Part {
		t.Helper()
		s, err := wal.Inspect(ctx, keys.open(t, store))
		if err != nil || len(s.Parts) != 1 {
			t.Fatalf("%+v, %v", s, err)
		}
		return s.Parts[0]
	}
	synctest.Test(t, func(t *testing.T) {
		append3(t.Context(), 0)
		archived = time.Now()
		if part := status(t.Context()); part.To.After(archived) || archived.Sub(part.To) > time.Minute {
			t.Errorf("archived at %v, and it says %v", archived, part.To)
		}
	})
	for round := range 3 {
		append3(t.Context(), 3+3*round) // by a clock that is ahead
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Hour) // nothing is archived meanwhile
			if part := status(t.Context()); part.To.After(archived) {
				t.Errorf("nothing was archived for an hour after %v, and it says %v", archived, part.To)
			}
		})
	}
	if part := status(t.Context()); time.Since(part.To) > time.Hour {
		t.Errorf("by the other clock it says %v", part.To)
	}
	// Nobody knows when something was archived that is all of a time to come.
	keys, store = newArchiver(t), mem.New()
	append3(t.Context(), 0)
	synctest.Test(t, func(t *testing.T) {
		if part := status(t.Context()); part.From.After(part.To) {
			t.Errorf("it was archived from %v to %v", part.From, part.To)
		}
	})
}

// A payload that waits for its record is no stray, whatever a clock that was set
// ahead says.
func TestStraysByAClockThatIsAhead(t *testing.T) {
	dir := t.TempDir()
	store, err := local.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	archive := newArchiver(t).open(t, store)
	all := appendSegments(t.Context(), t, archive, 2)
	// As a crash leaves it, or an upload that is not at its end: without a record.
	record := recordOf(t, dir, all[1])
	if err := errors.Join(archive.Unmark(t.Context(), "7", 1, all[0].End), os.Remove(record)); err != nil {
		t.Fatal(err)
	}
	strays := func(now time.Time) int {
		t.Helper()
		survey, err := archive.Survey(t.Context())
		if err != nil || len(survey.Strays) != 1 {
			t.Fatalf("%+v, %v", survey, err)
		}
		return len(wal.OldStrays(survey, now))
	}
	if n := strays(time.Now().Add(72 * time.Hour)); n != 0 {
		t.Error("by a clock that is three days ahead, an upload is taken for one that was cut off")
	}
	payloads, err := filepath.Glob(strings.TrimSuffix(record, "record") + "*.zst.age")
	if err != nil || len(payloads) != 1 {
		t.Fatalf("%q, %v", payloads, err)
	}
	old := time.Now().Add(-72 * time.Hour)
	if err := os.Chtimes(payloads[0], old, old); err != nil {
		t.Fatal(err)
	}
	if n := strays(time.Now()); n != 1 {
		t.Error("what was cut off three days ago is not taken for a stray")
	}
	if n := strays(old); n != 0 {
		t.Error("by a clock that was set back, an upload is taken for one that was cut off")
	}
}

func recordOf(t *testing.T, dir string, s logarchive.Segment) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "holdfast", "log", "*", s.Stream, "*", "*", "*."+s.Name+".record"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the record of %s is %q, %v", s.Name, found, err)
	}
	return found[0]
}

// A gap that a clock far ahead took for one of before the window is told of once
// the clock is right.
func TestGapWhileAClockWasAhead(t *testing.T) {
	keys, store := newArchiver(t), mem.New()
	archive := keys.open(t, store)
	all := appendSegments(t.Context(), t, archive, 3)
	if err := archive.Remove(t.Context(), all[1:2]); err != nil {
		t.Fatal(err)
	}
	ahead := 30 * 24 * time.Hour
	var told int
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		begun, wrong := time.Now(), true
		watch := wal.GapWatch{
			Archives: one(archive),
			From: func(_ int, now time.Time) time.Time {
				// The bubble's clock is that of long ago; what counts is what this says.
				if wrong = now.Sub(begun) < time.Hour; wrong {
					return time.Unix(1<<40, 0).Add(ahead)
				}
				return time.Time{}
			},
			Found: func(string, logarchive.Gap) {
				if wrong {
					t.Error("a gap before the window is told of")
				}
				told++
			},
			Unproven: func(_ string, why error) { t.Error(why) },
			Failed:   func(_ string, err error) { t.Error(err) },
		}
		ended := make(chan struct{})
		go func() { defer close(ended); watch.Run(ctx) }()
		time.Sleep(3 * time.Hour)
		cancel()
		<-ended
	})
	if told != 1 {
		t.Errorf("the gap is told of %d times", told)
	}
}
