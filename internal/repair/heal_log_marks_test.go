package repair_test

import (
	"strings"
	"testing"

	"holdfast/internal/logarchive"
	"holdfast/storage"
)

// The newest segment, which nothing follows, is brought back as well; a mark
// that is damaged goes, is told, and the log ends where it ends.
func TestHealTheEndOfALog(t *testing.T) {
	l := newLogs(t)
	l.archive(t, 0, 1, 6)
	l.archive(t, 1, 1, 6)
	record, payload := l.objects(t, 0, 5)
	l.remove(t, 0, record, payload)
	if e, err := l.reader(t, 0).Extent(t.Context(), ""); err != nil || len(e.Gaps) != 1 {
		t.Fatalf("without the newest segment: %+v, %v", e, err)
	}
	report, lost := l.heal(t, false)
	if len(lost) > 0 || len(report.Healed) != 1 || len(report.Gaps) > 0 {
		t.Errorf("report %+v, lost %q", report, lost)
	}

	err := l.stores[0].List(t.Context(), "", func(i storage.Info) error {
		if logarchive.IsMark(i.Key) {
			l.flip(t, 0, i.Key)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := l.reader(t, 0).Extent(t.Context(), ""); err != nil || len(e.Unproven) == 0 {
		t.Fatalf("with damaged marks: %+v, %v", e, err)
	}
	report, lost = l.heal(t, false)
	if len(lost) == 0 || !strings.Contains(lost[0], "mark") || len(report.Gaps) > 0 {
		t.Errorf("report %+v, lost %q", report, lost)
	}
	if e, err := l.reader(t, 0).Extent(t.Context(), ""); err != nil || len(e.Unproven)+len(e.Gaps) > 0 {
		t.Fatalf("after the repair: %+v, %v", e, err)
	}
}
