package service

import (
	"path/filepath"
	"strings"
	"testing"

	"holdfast/internal/controller"
	"holdfast/internal/event"
)

// Log that is missing is told of while the receiver goes on; log that was let
// go has a backup begin.
func TestLostLogIsTold(t *testing.T) {
	log, err := openRunLog(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	var told collected
	var again []string
	e := &executor{events: &told, logLost: func(plan string) { again = append(again, plan) }}
	e.read(controller.Task{Run: controller.Run{ID: "1"}, Job: &controller.Job{Plan: "shop"}}, strings.NewReader(`{"message_type":"status","percent_done":0.5}
{"message_type":"log_gap","location":"/srv/log","system":"7","timeline":2,"start_lsn":"0/3000000","end_lsn":"0/4000000"}
no JSON
{"message_type":"log_lost","timeline":2,"start_lsn":"0/5000000","end_lsn":"0/6000000","why":"the store is full"}
{"message_type":"log_unproven","location":"/srv/log","why":"its history file is missing"}
{"message_type":"log_refused","why":"this server was restored"}
`), log)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if len(told) != 4 || told[0].Kind != event.LogGap || told[0].Severity != event.Critical || !strings.Contains(told[0].Summary, "from 0/3000000 to 0/4000000 at /srv/log") ||
		!strings.Contains(told[1].Summary, "the store is full") || told[0].Key == told[1].Key ||
		!strings.Contains(told[2].Summary, "its history file is missing") || told[2].Severity != event.Critical || told[2].Key == told[0].Key {
		t.Errorf("told %+v", told)
	}
	for n, over := range []string{"after the gap in its log", "after the gap in its log", "may lack something unnoticed", "whose log was refused"} {
		if text := overWith(&told[n]); !strings.Contains(text, over) {
			t.Errorf("the end of %q is told as %q", told[n].Summary, text)
		}
	}
	if len(again) != 1 || again[0] != "shop" {
		t.Errorf("backups of %q begin", again)
	}
}

// Where more is read than was expected, what is left is not known.
func TestProgressBeyondWhatWasExpected(t *testing.T) {
	for _, c := range []struct {
		line    statusLine
		percent float64
		left    float64
	}{
		{statusLine{PercentDone: 0.5, BytesDone: 5, TotalBytes: 10, SecondsRemaining: 3}, 50, 3},
		{statusLine{PercentDone: 1, BytesDone: 10, TotalBytes: 10}, 100, 0},
		{statusLine{PercentDone: 1, BytesDone: 15, TotalBytes: 10, SecondsRemaining: 3}, -1, 0},
		{statusLine{PercentDone: 1, BytesRestored: 8, BytesSkipped: 4, TotalBytes: 10}, -1, 0},
		{statusLine{BytesDone: 5}, -1, 0},
	} {
		if p := c.line.progress(); p.Percent != c.percent || p.Left != c.left {
			t.Errorf("%+v: %+v", c.line, p)
		}
	}
}

// A plan without a schedule has backups when they are asked for.
func TestABackupOfNoNamedType(t *testing.T) {
	e := &executor{configPath: "holdfast.yaml"}
	for variant, want := range map[string]string{"": "incremental", "full": "full"} {
		got := strings.Join(e.arguments(controller.Task{Run: controller.Run{Variant: variant}}, Work{Args: []string{"plan", "run", "shop", "--type", "{variant}"}}), " ")
		if got != "plan run shop --type "+want+" --json --config holdfast.yaml" {
			t.Errorf("%q: %s", variant, got)
		}
	}
}
