package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"holdfast/internal/config"
	"holdfast/internal/evidence"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// isOwnCheck tells a check that the plan asks for from those of every test.
func (t *restoreTest) isOwnCheck(name string) bool {
	return slices.ContainsFunc(t.checks(), func(asked config.Check) bool { return nameOf(asked) == name })
}

// failed is what did not come back in a test.
type failed struct {
	what evidence.Failure
	// original is the ID that the snapshot was made with, "" if there was none.
	original string
	instant  time.Time
}

// whatFailed tells one failure of a source from others.
func (t *restoreTest) whatFailed() failed {
	return failed{t.test.Failure(t.test.Problems, t.isOwnCheck), t.original(), t.test.Instant()}
}

// original is the ID that the snapshot of this test was made with, "" if there
// was none.
func (t *restoreTest) original() string {
	if t.test.Point.Snapshot == "" || t.point.like == nil {
		return ""
	}
	return firstID(t.point.like).String()
}

// turnToFailed makes this the test of a point that did not come back before,
// if there is one and it is its turn: otherwise nobody would learn that it is
// mended, as newer points are tested. Whatever the caller has asked for stays.
func (t *restoreTest) turnToFailed(ctx context.Context, r *repository.Repository, own []*snapshot.Snapshot) {
	if t.f.point != "" || t.f.from != "" && t.f.from != "rotate" || t.test.InsteadOf != nil {
		return
	}
	there := make(map[string]bool, len(own))
	for _, s := range own {
		there[s.ID.String()] = true
	}
	newestFirst, err := t.testsFrom(ctx, r)
	if err != nil { // it is tested again another time
		return
	}
	if failed := failedPoint(newestFirst, there, t.isOwnCheck); failed != "" {
		t.ui.infof("%s is tested again first, as it did not come back", failed[:8])
		t.point = testPoint{asked: failed}
		t.test.Point = evidence.TestPoint{Asked: failed, Again: true}
	}
}

// testsFrom returns the newest tests of the source from this repository, the
// newest first. Those whose record it could not keep are in others of the plan.
func (t *restoreTest) testsFrom(ctx context.Context, r *repository.Repository) ([]*evidence.Record, error) {
	var newestFirst []*evidence.Record
	visit := func(rec *evidence.Record) bool {
		if rec.RestoreTest.From.Name == t.from.name {
			newestFirst = append(newestFirst, rec)
		}
		return true
	}
	if err := t.visitTests(ctx, r, t.name, visit); err != nil {
		return nil, err
	}
	for _, name := range t.plan.Repositories() {
		if name == t.from.name {
			continue
		}
		if err := t.keptIn(ctx, name, t.name, visit); ctx.Err() != nil { // an error of its own is told by its own test
			return nil, errors.Join(context.Cause(ctx), err)
		}
	}
	slices.SortStableFunc(newestFirst, func(a, b *evidence.Record) int { return b.Time.Compare(a.Time) })
	return newestFirst, nil
}

// failedPoint returns the snapshot that is tested again after some tests of a
// source from one repository, "" for none: of those that did not come back, and
// not since, the one that was tested longest ago. In between it is the turn of
// the others.
func failedPoint(newestFirst []*evidence.Record, there map[string]bool, isOwn func(check string) bool) (failed string) {
	if len(newestFirst) == 0 || newestFirst[0].RestoreTest.Point.Again {
		return ""
	}
	seen := make(map[string]bool)
	for _, rec := range newestFirst {
		t := rec.RestoreTest
		snapshot := t.Point.Snapshot
		if seen[snapshot] || !there[snapshot] || t.Verdict == evidence.NotJudged {
			continue
		}
		if t.Verdict == evidence.Proven {
			seen[snapshot] = true
		} else if t.Failure(rec.Problems, isOwn) == evidence.OfPoint {
			seen[snapshot], failed = true, snapshot
		}
	}
	return failed
}
