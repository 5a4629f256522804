package cli

import (
	"context"
	"runtime"
	"time"

	"holdfast/internal/evidence"
	"holdfast/internal/verify/proof"
	"holdfast/internal/verify/restoretest"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// beginTest begins the restore test that the proof of `holdfast protect` is:
// of the newest point, whose snapshot was just taken.
func (p *protection) beginTest(r *repository.Repository, s *snapshot.Snapshot) *restoretest.Test {
	t := restoretest.Begin(evidence.RestoreTest{
		Plan: p.setup.Plan, Source: p.setup.Source, SourceKind: kindFiles,
		From:  evidence.Place{Name: p.setup.Name, Location: r.Location(), Repository: r.ID()},
		Point: evidence.TestPoint{Asked: pointNewest, Snapshot: s.ID.String(), Time: s.Time},
		Target: evidence.Target{
			System: runtime.GOOS + "/" + runtime.GOARCH, Folder: p.scratch.Path(),
			Isolation: []string{"a scratch folder of its own, which nothing of the source was written to; the source was only read"},
		},
	})
	t.Versions["holdfast"] = Version
	return t
}

// testEvidence is the record of a snapshot that was restored and compared with
// its source. Where there was no room to restore all of it, it is no restore
// test: how long one takes was not measured.
func testEvidence(ctx context.Context, t *restoretest.Test, p *proof.Proof, s *snapshot.Snapshot) evidence.Record {
	if p.TooLargeFiles > 0 {
		return evidence.Record{
			Kind: evidence.Proof, Read: evidence.Part, Seconds: p.Duration.Seconds(), Snapshot: &s.ID,
			BytesRead: p.Bytes, Problems: int(p.Differences), //nolint:gosec // no proof has as many
		}
	}
	t.AddStep("restore", t.Began, p.RestoreDuration, nil)
	t.AddStep("compare with the source", t.Began.Add(p.RestoreDuration), p.Duration-p.RestoreDuration, nil)
	judgeFiles(t, p, s)
	t.RPO.Measured = t.Began.Sub(s.Time).Seconds()
	t.Cleanup = evidence.Cleanup{Done: true, Time: time.Now().UTC().Truncate(time.Millisecond)}
	t.End(ctx, nil)
	rec := t.Record()
	rec.Snapshot = &s.ID
	return rec
}
