package pitr_test

import (
	"strings"
	"testing"
	"time"

	"holdfast/internal/pitr"
	"holdfast/internal/postgres"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

func TestBasis(t *testing.T) {
	day := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	taken := func(n int, kind snapshot.Type, start postgres.LSN) *snapshot.Snapshot {
		s := &snapshot.Snapshot{ID: id.Hash([]byte{byte(n)}), Time: day.AddDate(0, 0, n), Hostname: "db", Paths: []string{"/shop"}}
		s.SetSource("shop")
		s.SetType(kind)
		s.SetLog(pitr.Need{System: "7", Timeline: 1, Start: start, End: start + 100}.String())
		return s
	}
	const full, incremental, differential = snapshot.Full, snapshot.Incremental, snapshot.Differential
	row := func() []*snapshot.Snapshot {
		return []*snapshot.Snapshot{taken(0, full, 1000), taken(1, incremental, 2000), taken(2, incremental, 3000)}
	}
	for name, test := range map[string]struct {
		snapshots []*snapshot.Snapshot
		change    func(b *pitr.NewBackup)
		basis     int // of snapshots; -1 for none
		why       string
	}{
		"incremental":         {row(), nil, 2, ""},
		"differential":        {row(), func(b *pitr.NewBackup) { b.Type = differential }, 0, ""},
		"full":                {row(), func(b *pitr.NewBackup) { b.Type = full }, -1, ""},
		"the first":           {nil, nil, -1, "no base backup"},
		"no full one":         {row()[1:], func(b *pitr.NewBackup) { b.Type = differential }, -1, "no full base backup"},
		"another host":        {row(), func(b *pitr.NewBackup) { b.Host = "other" }, -1, "by this host"},
		"any host":            {row(), func(b *pitr.NewBackup) { b.Host = "" }, 2, ""},
		"another source":      {row(), func(b *pitr.NewBackup) { b.Source = "other" }, -1, "no base backup"},
		"another cluster":     {row(), func(b *pitr.NewBackup) { b.Need.System = "8" }, -1, "another cluster"},
		"another timeline":    {row(), func(b *pitr.NewBackup) { b.Need.Timeline = 2 }, -1, "timeline 2"},
		"set back":            {row(), func(b *pitr.NewBackup) { b.Need.Start = 2999 }, -1, "it was set back"},
		"nothing new":         {row(), func(b *pitr.NewBackup) { b.Need.Start = 3000 }, 2, ""},
		"state unknown":       {row(), func(b *pitr.NewBackup) { b.Need = pitr.Need{} }, 2, ""},
		"clock set back":      {row(), func(b *pitr.NewBackup) { b.Begins = day.AddDate(0, 0, 1) }, -1, "clock was set back"},
		"clock was set back":  {[]*snapshot.Snapshot{taken(0, full, 2000), taken(1, incremental, 1000)}, nil, -1, "clock was set back once"},
		"doubt":               {row(), func(b *pitr.NewBackup) { b.Doubt = "a check failed" }, -1, "a check failed"},
		"every third":         {row(), func(b *pitr.NewBackup) { b.FullEvery = 3 }, -1, "every 3 backups"},
		"every fourth":        {row(), func(b *pitr.NewBackup) { b.FullEvery = 4 }, 2, ""},
		"every one":           {row()[:1], func(b *pitr.NewBackup) { b.FullEvery = 1 }, -1, "every 1 backups"},
		"full one out of use": {append(row(), taken(3, incremental, 4000)), func(b *pitr.NewBackup) { b.Type, b.Need.Start = differential, 5000 }, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := pitr.NewBackup{
				Type: incremental, Source: "shop", Host: "db", Begins: day.AddDate(0, 0, 5),
				Need: pitr.Need{System: "7", Timeline: 1, Start: 4000},
			}
			if test.change != nil {
				test.change(&b)
			}
			basis, why := pitr.Basis(test.snapshots, b)
			var want *snapshot.Snapshot
			if test.basis >= 0 {
				want = test.snapshots[test.basis]
			}
			if basis != want || !strings.Contains(why, test.why) || (why == "") != (test.why == "") {
				t.Errorf("basis %v, because %q", basis, why)
			}
		})
	}
	damaged := row()
	damaged[2].SetDamaged("pages")
	if basis, why := pitr.Basis(damaged, pitr.NewBackup{Type: incremental, Source: "shop", Begins: day.AddDate(0, 0, 5)}); basis != nil || !strings.Contains(why, "damaged pages") {
		t.Errorf("a damaged snapshot: basis %v, because %q", basis, why)
	}
}
