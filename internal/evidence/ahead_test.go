package evidence

import (
	"strings"
	"testing"
	"time"

	"holdfast/storage/mem"
)

// A check by a clock that is years ahead is no read-back of this year, and what
// is found since is not hidden behind it.
func TestGoodRecordsOfTheFuture(t *testing.T) {
	r, now := newRepository(t, mem.New()), noon.Add(24*time.Hour)
	save(t, r, Record{Kind: Check, Time: noon, Read: All})
	save(t, r, Record{Kind: Check, Time: noon.AddDate(3, 0, 0), Read: All})
	good, bad, err := Latest(t.Context(), r, now)
	if good == nil || !good.Time.Equal(noon) || bad != nil {
		t.Errorf("%+v, %+v", good, bad)
	}
	if err == nil || !strings.Contains(err.Error(), "1 records of evidence are dated in the future") {
		t.Errorf("nobody is told of a wrong clock: %v", err)
	}
	save(t, r, Record{Kind: Check, Time: noon.Add(time.Hour), Read: All, Problems: 1})
	if good, bad, _ = Latest(t.Context(), r, now); bad == nil || good == nil || !good.Time.Equal(noon) {
		t.Errorf("what was found is hidden: %+v, %+v", good, bad)
	}
}

// What somebody found counts, whatever the clock said, until a later check finds
// everything good.
func TestErrorsOfTheFuture(t *testing.T) {
	r, now := newRepository(t, mem.New()), noon.Add(24*time.Hour)
	save(t, r, Record{Kind: Check, Time: noon, Read: All})
	save(t, r, Record{Kind: Check, Time: noon.AddDate(3, 0, 0), Read: All, Problems: 1})
	if good, bad, _ := Latest(t.Context(), r, now); bad == nil || good == nil || !bad.Time.After(good.Time) {
		t.Errorf("%+v, %+v", good, bad)
	}
	save(t, r, Record{Kind: Proof, Time: noon.Add(time.Hour), Read: Part})
	if _, bad, _ := Latest(t.Context(), r, now); bad == nil {
		t.Error("a proof of one snapshot mends all there is")
	}
	save(t, r, Record{Kind: Check, Time: noon.Add(2 * time.Hour), Read: All})
	if good, bad, _ := Latest(t.Context(), r, now); bad != nil || !good.Time.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("mended: %+v, %+v", good, bad)
	}
}

func TestArchivesReadInTheFuture(t *testing.T) {
	r, now := newRepository(t, mem.New()), noon.Add(24*time.Hour)
	read := func(at time.Time, problems int) {
		save(t, r, Record{Kind: Archives, Time: at, Problems: problems, Archives: &ArchivesRead{Place: "tape", Count: 1, All: true}})
	}
	last := func() LastRead {
		t.Helper()
		all, err := LastArchives(t.Context(), r, now)
		if err != nil {
			t.Fatal(err)
		}
		return all["tape"]
	}
	read(noon, 0)
	read(noon.AddDate(3, 0, 0), 0)
	if got := last(); !got.Good.Equal(noon) {
		t.Errorf("%+v", got)
	}
	read(noon.AddDate(2, 0, 0), 1)
	if got := last(); got.Bad.IsZero() {
		t.Errorf("an error is hidden: %+v", got)
	}
	read(noon.Add(time.Hour), 0)
	if got := last(); !got.Good.Equal(noon.Add(time.Hour)) || !got.Bad.IsZero() {
		t.Errorf("all were good since: %+v", got)
	}
}
