package service

import (
	"testing"
	"time"

	"holdfast/internal/app/console"
)

// What is wrong with the archives of a plan is missing to the plan.
func TestSurveyTakesArchives(t *testing.T) {
	found := make(map[string]console.PlanSurvey)
	for _, line := range []string{
		`{"message_type":"plan_status","plan":"shop","score":"3-2-1-1-0","missing":[{"rule":"media","what":"one","next":"two"}]}`,
		`{"message_type":"archives_status","plan":"shop","place":"/mnt/tape","archives":3,"last_read_back":"2026-03-01T12:00:00Z","opened":true,"missing":["there is no archive; ` + "`holdfast archive export --plan shop`" + ` makes one","a manifest is damaged"]}`,
		`{"message_type":"archives_status","plan":"www","place":"/mnt/tape","missing":[]}`,
		`{"message_type":"warning","item":"x"}`,
		`"none of them"`,
	} {
		takeStatus(found, []byte(line))
	}
	p := found["shop"]
	if p.Score != "3-2-1-1-0" || len(p.Missing) != 3 || p.Missing[1].Rule != "archives" || p.Missing[1].What != "archives: there is no archive" ||
		p.Missing[1].Next != "`holdfast archive export --plan shop` makes one" || p.Missing[2].Next != "holdfast status shop" {
		t.Errorf("%+v", p)
	}
	if a := p.Archives; a == nil || a.Archives != 3 || !a.Opened || a.ReadBack.Month() != time.March {
		t.Errorf("%+v", a)
	}
}
