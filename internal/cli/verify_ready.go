package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/app"
	"holdfast/internal/evidence"
	"holdfast/internal/pitr"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// firstReady returns the first of some places that a source can be restored
// from by now. What was not copied yet is no finding; the plan's own repository
// is always ready.
func (v *verifyRun) firstReady(ctx context.Context, source string, places []string) (string, error) {
	var reasons []string
	for _, name := range places {
		why := ""
		if name != v.plan.Repository {
			var err error
			if why, err = v.notYet(ctx, source, name); err != nil {
				return "", err
			}
		}
		if why == "" {
			return name, nil
		}
		reasons = append(reasons, name+": "+why)
		v.ui.infof("no restore test of %s from %s yet: %s", source, name, why)
	}
	return "", notJudged(fmt.Errorf("%s cannot be restored from any place of the plan's restore tests yet: %s", source, strings.Join(reasons, "; ")))
}

// notYet says why a source cannot be restored from a copy yet; "" when it
// should be, or when the copy cannot be asked: its own test tells of that.
func (v *verifyRun) notYet(ctx context.Context, source, name string) (why string, err error) {
	err = v.lookInto(ctx, name, func(r *repository.Repository) (err error) {
		why, err = v.lacksInCopy(ctx, r, source, name)
		return err
	})
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", nil //nolint:nilerr // see above
	}
	return why, nil
}

// lookInto opens one of the plan's repositories for a moment.
func (v *verifyRun) lookInto(ctx context.Context, name string, look func(r *repository.Repository) error) error {
	hasty := *v.command
	hasty.global.patience = fallbackPatience
	r, err := hasty.openPlace(ctx, v.namedPlace(name, v.cfg.Repositories[name]))
	if err != nil {
		return err
	}
	return errors.Join(look(r), r.Close())
}

func (v *verifyRun) lacksInCopy(ctx context.Context, r *repository.Repository, source, name string) (why string, err error) {
	own, err := v.snapshotsOf(ctx, r, source)
	if err != nil {
		return "", err
	}
	if len(own) == 0 {
		tested := false // then it had something, and has lost it
		err := evidence.Tests(ctx, r, testsRead, func(rec *evidence.Record) bool {
			tested = rec.RestoreTest.Plan == v.planName && rec.RestoreTest.Source == source && rec.RestoreTest.From.Name == name
			return !tested
		})
		if err != nil || tested {
			return "", err
		}
		return "nothing of it was copied there", nil
	}
	if kindOf(v.cfg.Sources[source]) != kindPostgres {
		return "", nil
	}
	if usable, err := v.anyUsable(ctx, r, source, name, own); err != nil || usable {
		return "", err
	}
	// What the plan's own repository cannot restore either is lost, and not late.
	usable := false
	err = v.lookInto(ctx, v.plan.Repository, func(r *repository.Repository) error {
		all, err := v.snapshotsOf(ctx, r, source)
		if err == nil {
			usable, err = v.anyUsable(ctx, r, source, v.plan.Repository, all)
		}
		return err
	})
	if err != nil || !usable {
		return "", err
	}
	return "the log that its base backups need was not copied there; `holdfast copy --plan " + v.planName + "` does that", nil
}

// snapshotsOf returns what a repository has of a source, oldest first.
func (v *verifyRun) snapshotsOf(ctx context.Context, r *repository.Repository, source string) ([]*snapshot.Snapshot, error) {
	all, err := v.loadAll(ctx, r)
	if err != nil {
		return nil, err
	}
	own := slices.DeleteFunc(app.SnapshotsOf(v.cfg, v.planName, all), func(s *snapshot.Snapshot) bool {
		name, _ := app.SourceOf(v.cfg, v.planName, s)
		return name != source
	})
	return snapshot.Sorted(own), nil
}

// anyUsable tells whether a repository has the log of any base backup there.
func (v *verifyRun) anyUsable(ctx context.Context, r *repository.Repository, source, name string, snapshots []*snapshot.Snapshot) (bool, error) {
	facts, _, err := v.recoveryFactsOf(ctx, r, v.logRepository(v.cfg, name), source, snapshots)
	return slices.ContainsFunc(facts.Points, facts.Usable), err
}

// notLate leaves out the base backups of a copy whose log it never had: it has
// none that is as old, and there are others. They come with the next copy.
func (t *restoreTest) notLate(facts pitr.Facts) []pitr.Point {
	if t.from.name == t.plan.Repository || !slices.ContainsFunc(facts.Points, facts.Usable) {
		return facts.Points
	}
	return slices.DeleteFunc(slices.Clone(facts.Points), func(p pitr.Point) bool {
		late := !facts.Usable(p) && !slices.ContainsFunc(facts.Log, func(part pitr.LogPart) bool {
			return part.Stream == p.System && (part.Line < p.Timeline || part.Line == p.Timeline && part.Start <= p.Range().Start)
		})
		if late {
			t.ui.infof("base backup %s cannot be restored from %s yet: the log that it needs, from %s on, was not copied there", p.Snapshot.ID.Short(), t.from.name, p.Start)
		}
		return late
	})
}
