package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/app/service"
	"holdfast/internal/event"
	"holdfast/internal/evidence"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// elsewhere tests whether what did not come back from one repository comes back
// from another one of the plan. The failure stays one, whatever comes of it: it
// is returned, with what is known now.
func (t *restoreTest) elsewhere(ctx context.Context, failure error) error {
	var neither []string
	for _, name := range t.otherPlaces() {
		why, err := t.lacksPoint(ctx, name)
		if err != nil {
			return errors.Join(failure, err)
		}
		if why != "" {
			t.ui.infof("no restore test of %s from %s instead: %s", t.name, name, why)
			continue
		}
		t.ui.warn("fallback", "", fmt.Errorf("%s does not come back from %s\nrestoring it from %s instead", t.name, t.from.name, name))
		other := t.begin(t.name, name, t.point, &t.test.From)
		err = other.carryOut(ctx)
		switch {
		case err == nil:
			return t.comesBack(failure, other)
		case ctx.Err() != nil:
			return errors.Join(failure, err)
		case other.test.Verdict == evidence.Failed:
			neither = append(neither, "nor from "+name)
		default:
			neither = append(neither, fmt.Sprintf("and from %s nothing is known (%v)", name, err))
		}
	}
	if len(neither) == 0 {
		return failure
	}
	return fmt.Errorf("%w; it does not come back from %s, %s", failure, t.from.name, strings.Join(neither, ", "))
}

// otherPlaces are the repositories that stand in for the one that failed: those
// of the plan's restore tests, and the plan's own.
func (t *restoreTest) otherPlaces() []string {
	places := t.settings().From
	if len(places) == 0 {
		places = t.plan.Repositories()
	} else if !slices.Contains(places, t.plan.Repository) {
		places = slices.Concat(places, []string{t.plan.Repository})
	}
	return slices.DeleteFunc(slices.Clone(places), func(name string) bool { return name == t.from.name })
}

// isOfThePlace tells whether a test failed by anything but the plan's own
// checks: to those every repository that has the snapshot gives the same answer.
func (t *restoreTest) isOfThePlace() bool {
	return t.test.Verdict == evidence.Failed && t.whatFailed().what != evidence.OfSource
}

// lacksPoint says why the recovery point cannot be restored from another
// repository; "" when it should be, or when that one cannot be asked.
func (t *restoreTest) lacksPoint(ctx context.Context, name string) (why string, err error) {
	if name != t.plan.Repository {
		if why, err = t.notYet(ctx, t.name, name); err != nil || why != "" {
			return why, err
		}
	}
	err = t.lookInto(ctx, name, func(r *repository.Repository) error {
		own, err := t.snapshotsOf(ctx, r, t.name)
		if err != nil {
			return err
		}
		if _, err := t.point.choose(own); err != nil && t.kind != kindPostgres {
			why = err.Error()
		}
		return nil
	})
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil { // its own test tells of that
		return "", nil //nolint:nilerr // see above
	}
	return why, nil
}

// comesBack says of a failure that another repository has what is needed, to
// whoever is told of the failure.
func (t *restoreTest) comesBack(failure error, other *restoreTest) error {
	text := "it comes back from " + other.from.name
	if was, is := t.test.Point.Time, other.test.Point.Time; !was.IsZero() && is.Before(was) {
		text += ", as it was at " + is.Local().Format(timeFormat)
	}
	t.message.instead = text
	t.ui.infof("%s does not come back from %s; %s", t.name, t.from.name, text)
	t.reporter.Note(func(r *service.Report) {
		told, _ := t.message.event()
		n := slices.IndexFunc(r.Events, func(e event.Event) bool { return e.Kind == told.Kind && e.Key == told.Key })
		if n >= 0 {
			r.Events[n].Summary = told.Summary
		}
	})
	return fmt.Errorf("%w; %s", failure, text)
}

// copyOf returns the copy of a snapshot that is among others, or else, where it
// was not copied, the newest that is older.
func copyOf(s *snapshot.Snapshot, oldestFirst []*snapshot.Snapshot) (*snapshot.Snapshot, error) {
	var older *snapshot.Snapshot
	for _, other := range slices.Backward(oldestFirst) {
		if firstID(other) == firstID(s) && other.Tree == s.Tree {
			return other, nil
		}
		if older == nil && !other.Time.After(s.Time) {
			older = other
		}
	}
	if older == nil {
		return nil, fmt.Errorf("it has neither a copy of snapshot %s nor an older one", s.ID.Short())
	}
	return older, nil
}

// firstID is what a snapshot and all its copies have in common.
func firstID(s *snapshot.Snapshot) id.ID {
	if s.Original != nil {
		return *s.Original
	}
	return s.ID
}
