package cli

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/upkeep"
)

// What is printed when all phases are over is the last: no status follows.
func TestNothingIsShownBetweenPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		j := jointProgress{c: &command{ui: &ui{out: &out, json: true}}}
		for range 2 {
			_, one := j.watch("mirror", upkeep.Amount{})
			_, two := j.watch("mirror", upkeep.Amount{})
			one()
			time.Sleep(3 * jsonInterval)
			two()
			if out.Len() == 0 {
				t.Error("a phase that runs is not shown")
			}
			out.Reset()
			time.Sleep(3 * jsonInterval)
			if out.Len() > 0 {
				t.Errorf("between phases %q is shown", out.String())
			}
		}
		j.stop()
	})
}

func TestWhatWaitsForTheStoreIsTold(t *testing.T) {
	total := work{bytes: 100}
	if m := (work{bytes: 20, read: 90}).status(total, 0); m.BytesDone != 20 || m.BytesRead != 90 || m.PercentDone != 0.2 {
		t.Errorf("%+v", m)
	}
	if m := (work{bytes: 100, read: 400}).status(total, 0); m.TotalBytes != 400 || m.PercentDone != 0.25 {
		t.Errorf("of more than was expected: %+v", m)
	}
	if m := (work{bytes: 90, read: 90}).status(total, 0); m.BytesRead != 0 {
		t.Errorf("%+v", m)
	}
}

// A line of progress has the share that is done, the rate, and the time that is
// left at that rate.
func TestLineOfProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := progress{
			what: "backup", start: time.Now(),
			total: func() work { return work{bytes: 400 << 20} },
			done:  func() work { return work{items: 7, bytes: 100 << 20} },
		}
		time.Sleep(10 * time.Second)
		want := "[0:10] backup 25.0%, about 0:30 left, 7 items, 100.000 MiB, 10.000 MiB/s"
		if got := p.line(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
