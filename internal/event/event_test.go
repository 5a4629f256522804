package event_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"holdfast/internal/event"
)

func TestEventsKeepTheirMeaningInJSON(t *testing.T) {
	e := event.Event{
		Time: time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC), Kind: event.RunFailed, Severity: event.Warning,
		Plan: "shop", Summary: "the backup of shop failed", Key: "shop/backup",
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"severity":"warning"`) {
		t.Errorf("severity has no name: %s", text)
	}
	var back event.Event
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if back.Severity != e.Severity || back.Key != e.Key || !back.Time.Equal(e.Time) {
		t.Errorf("got %+v, want %+v", back, e)
	}
}

// A severity that only a newer program knows must not be played down.
func TestAnUnknownSeverityIsCritical(t *testing.T) {
	var e event.Event
	if err := json.Unmarshal([]byte(`{"severity":"catastrophic"}`), &e); err != nil {
		t.Fatal(err)
	}
	if e.Severity != event.Critical {
		t.Errorf("got %v", e.Severity)
	}
}

func TestLogShowsWhatItIsAbout(t *testing.T) {
	var out bytes.Buffer
	sinks := event.Sinks{event.Log{Logger: slog.New(slog.NewTextHandler(&out, nil))}}
	sinks.Emit(event.Event{Kind: event.Damage, Severity: event.Critical, Repository: "local", Summary: "a pack is damaged", Details: map[string]string{"pack": "0f"}})
	sinks.Emit(event.Event{Kind: event.Damage, Severity: event.Critical, Repository: "local", Summary: "mended", Key: "local/damage", Over: true})
	for _, want := range []string{"level=ERROR", `msg="a pack is damaged"`, "repo=local", "pack=0f", "level=INFO", "over=true"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}
