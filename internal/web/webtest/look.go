package webtest

import (
	"context"
	"io"
	"strings"
	"time"

	"holdfast/internal/api"
)

// PlanAct implements api.Operator.
func (b *Backend) PlanAct(_ context.Context, q api.ActRequest) (*api.ActPlan, error) {
	p := &api.ActPlan{Effects: []api.Effect{{What: "snapshot 3f9a0c11", Before: "no tags", After: "monthly"}}, Warnings: []string{"each snapshot gets a new ID"}, Command: []string{"holdfast", "tag"}, Confirm: "confirmed"}
	switch q := q.(type) {
	case *api.TagAct:
		p.Command = append(p.Command, q.Snapshots...)
		p.Effects[0].After = strings.Join(q.Add, ", ")
	case *api.PruneAct:
		p.Effects, p.Warnings, p.Confirm = nil, nil, ""
	case *api.ArchiveAct:
		p.Effects = []api.Effect{{What: "archive in " + q.Place, After: "20261123-full"}, {What: "can be opened with the secret key of", After: strings.Join(q.Recipients, ", ")}}
	case *api.UnlockAct:
		p.Refused, p.Confirm = "the repository cannot be read", ""
	}
	return p, b.Fail
}

// BeginAct implements api.Operator.
func (b *Backend) BeginAct(_ context.Context, q api.ActRequest) (string, error) {
	return "run-protect", b.act("%T %+v", q, q)
}

// Locks implements api.Looker.
func (b *Backend) Locks(context.Context, string) ([]api.Lock, error) {
	if len(b.Repos) == 0 {
		return nil, b.Fail
	}
	host := b.Info.Host
	return []api.Lock{
		{ID: strings.Repeat("ab", 32), Host: host, User: "root", PID: 4711, Exclusive: true, Refreshed: time.Now().Add(-2 * time.Hour), Stale: true},
		{ID: strings.Repeat("cd", 32), Host: host, User: "backup", PID: 4712, Refreshed: time.Now().Add(-time.Minute)},
		{ID: strings.Repeat("ef", 32), Error: host + " cannot be read"},
	}, b.Fail
}

// Evidence implements api.Looker.
func (b *Backend) Evidence(_ context.Context, repository string) (*api.Evidence, error) {
	e := &api.Evidence{EvidenceVerdict: api.EvidenceVerdict{Repository: repository, Good: true, Judged: time.Now()}}
	for k := range b.AllTests {
		t := &b.AllTests[k]
		if t.Repository == repository {
			e.Total++
			e.Records = append(e.Records, api.EvidenceRecord{ID: t.ID, Number: uint64(len(b.AllTests) - k), Time: t.Time, Kind: "restoretest", Host: b.Info.Host, Plan: t.Plan, Source: t.Source, Verdict: t.Verdict, Problems: len(t.Findings)}) //nolint:gosec // small
		}
	}
	return e, b.Fail
}

// StorageSettings implements api.Looker.
func (b *Backend) StorageSettings(context.Context, string) (*api.StorageSettings, error) {
	return &api.StorageSettings{Change: true, Settings: []api.StorageSetting{
		{Setting: "versions", Now: "kept", Wanted: "kept"},
		{Setting: "end of deleted versions", Now: "never", Wanted: "after 30 days", Change: true},
	}}, b.Fail
}

// Usage implements api.Looker.
func (b *Backend) Usage(_ context.Context, q api.UsageQuery) (*api.Usage, error) {
	return &api.Usage{Bytes: 31 << 30, Snapshots: len(b.Taken), Files: 190_000, UncompressedBytes: 50 << 30}, b.Fail
}

// Costs implements api.Looker.
func (b *Backend) Costs(_ context.Context, repository string) ([]api.CopyCost, error) {
	return []api.CopyCost{{Repository: repository, Service: "s3", Region: "eu-central-1", PricesOf: "2026-09-01", Currency: "USD", PerMonth: 4.2, Restore: 11.5}}, b.Fail
}

// Log implements api.Looker.
func (b *Backend) Log(_ context.Context, q api.LogQuery) ([]api.LogArchive, error) {
	if b.Fail != nil {
		return nil, b.Fail
	}
	now, lag, late := time.Now(), int64(1<<20), 40.0
	return []api.LogArchive{{
		Location: "/srv/log of " + q.Source, Oldest: now.AddDate(0, 0, -30), Newest: now.Add(-40 * time.Second), Server: "0/5000000", LagBytes: &lag, LagSeconds: &late,
		Parts:  []api.LogPart{{Timeline: 1, Start: "0/1000000", End: "0/3000000", From: "2026-10-24 02:00:00", To: "2026-11-23 02:00:00"}},
		Gaps:   []string{"0/3000000 to 0/4000000 of timeline 1"},
		Pruned: []string{"0/1000000"}, Needs: "the log has a gap, and no base backup after it",
		Bases: []api.LogBase{{Snapshot: strings.Repeat("ab", 32), Ended: now.AddDate(0, 0, -30), Timeline: 1, Reach: "end"}, {Snapshot: strings.Repeat("cd", 32), Ended: now, Timeline: 1, Reach: "lost"}},
	}}, nil
}

// Archives implements api.Looker.
func (b *Backend) Archives(_ context.Context, place string) (*api.Archives, error) {
	return &api.Archives{Place: place, Archives: []api.ArchiveSeen{
		{Name: "20261123-020000-3f9a0c11-full", Kind: "full", Snapshot: strings.Repeat("ab", 32), Time: time.Now().AddDate(0, -1, 0), Bytes: 9 << 30, Parts: 3, Expires: time.Now().AddDate(7, 0, 0)},
	}, Problems: []string{b.Info.Host + ": not complete"}}, b.Fail
}

// Paper implements api.Looker.
func (b *Backend) Paper(_ context.Context, q api.PaperQuery, begin func() io.Writer) error {
	if b.Fail != nil {
		return b.Fail
	}
	_, err := io.WriteString(begin(), "the "+string(q.Paper)+" of "+q.Repository+"\n")
	return err
}
