package upkeep

import (
	"testing"
	"time"

	"holdfast/internal/retention"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// Without the base backup before it, the beginning of the point-in-time
// window could not be restored.
func TestForgetKeepsTheBackupThatBeginsTheWindow(t *testing.T) {
	now := time.Date(2026, 5, 31, 12, 0, 0, 0, time.UTC)
	var all []*snapshot.Snapshot
	for days := range 20 {
		s := &snapshot.Snapshot{ID: id.Hash([]byte{byte(days)}), Time: now.AddDate(0, 0, -2*days), Paths: []string{"/shop"}}
		s.SetLog("7300000000000000001-00000001-0000000000000001-0000000000000002")
		all = append(all, s)
	}
	policy := retention.Policy{Within: retention.Duration{Days: 7}}
	plan, err := PlanForget(all, ForgetOptions{Policy: policy, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, d := range plan.Groups[0].Decisions {
		if !d.Keep {
			continue
		}
		kept++
		if age := now.Sub(d.Snapshot.Time); age > 8*24*time.Hour {
			t.Errorf("a backup of %v ago is kept: %v", age, d.Reasons)
		}
	}
	if kept != 5 { // of 0, 2, 4 and 6 days ago, and the one of 8
		t.Errorf("%d backups are kept, want 5", kept)
	}
}
