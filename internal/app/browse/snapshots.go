package browse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/app"
	"holdfast/internal/config"
	"holdfast/internal/hold"
	"holdfast/repository/snapshot"
)

const (
	usualLimit = 100
	maxLimit   = 1000
)

// pageSize is how many of something a page has.
func pageSize(asked int) int {
	if asked <= 0 {
		return usualLimit
	}
	return min(asked, maxLimit)
}

// Snapshots lists snapshots, the newest first.
func (b *Browser) Snapshots(ctx context.Context, q api.SnapshotQuery) (*api.SnapshotPage, error) {
	page := &api.SnapshotPage{Snapshots: []api.Snapshot{}}
	err := b.reading(ctx, q.Repository, func(v *view, instead *api.Instead) error {
		page.Instead, page.Damage, page.Down = instead, v.damage, v.place.down()
		d := b.describer(ctx, v)
		chosen := d.choose(q)
		page.Total = len(chosen)
		if q.After != "" {
			n := slices.IndexFunc(chosen, func(s *snapshot.Snapshot) bool { return s.ID.String() == q.After })
			if n < 0 {
				return fmt.Errorf("%w: snapshot %s is not in the list any more; begin at its top", api.ErrNotFound, q.After)
			}
			chosen = chosen[n+1:]
		}
		if limit := pageSize(q.Limit); len(chosen) > limit {
			chosen = chosen[:limit]
			page.After = chosen[limit-1].ID.String()
		}
		for _, s := range chosen {
			page.Snapshots = append(page.Snapshots, d.describe(s))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// Snapshot returns the one whose ID begins with a text, or "latest".
func (b *Browser) Snapshot(ctx context.Context, repository, id string) (*api.Snapshot, error) {
	var found api.Snapshot
	err := b.reading(ctx, repository, func(v *view, instead *api.Instead) error {
		s, err := v.find(id, instead)
		if err == nil {
			found = b.describer(ctx, v).describe(s)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &found, nil
}

// SnapshotAt returns the newest snapshot of a source of a plan that is no newer
// than an instant; with a zero instant, the newest. With repository "" that of
// the plan is meant.
func (b *Browser) SnapshotAt(ctx context.Context, repository, plan, source string, at time.Time) (*api.Snapshot, error) {
	if repository == "" {
		p, ok := b.o.Config().Plans[plan]
		if !ok {
			return nil, fmt.Errorf("%w: there is no plan %q in holdfast.yaml", api.ErrNotFound, plan)
		}
		repository = p.Repository
	}
	var found *api.Snapshot
	err := b.reading(ctx, repository, func(v *view, _ *api.Instead) error {
		d := b.describer(ctx, v)
		for _, s := range d.choose(api.SnapshotQuery{Plan: plan, Source: source, Until: at}) { // the newest first
			one := d.describe(s)
			found = &one
			return nil
		}
		return fmt.Errorf("%w: repository %s has no snapshot of source %q of plan %q%s", api.ErrNotFound, v.place.name, source, plan, before(at))
	})
	return found, err
}

func before(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return " of " + at.Local().Format(time.DateTime) + " or before"
}

// find returns the snapshot that a text names. In a copy that is read instead,
// it may name the one that it is a copy of.
func (v *view) find(ref string, instead *api.Instead) (*snapshot.Snapshot, error) {
	if ref == "" {
		return nil, fmt.Errorf("%w: no snapshot is named", api.ErrInvalid)
	}
	s, err := snapshot.Find(v.snapshots, snapshot.Filter{}, ref)
	if err == nil {
		return s, nil
	}
	if instead != nil {
		for _, s := range v.snapshots {
			if s.Original != nil && s.Original.String() == ref {
				return s, nil
			}
		}
	}
	for _, d := range v.damage {
		if d.Path == ref {
			return nil, fmt.Errorf("snapshot %s of repository %s is damaged: %s; `holdfast check -r %s` tells what else is, and `holdfast repair --from COPY` mends it",
				ref, v.place.name, d.What, v.place.name)
		}
	}
	if ambiguous, ok := errors.AsType[*snapshot.AmbiguousError](err); ok {
		return nil, fmt.Errorf("%w: %w", api.ErrInvalid, ambiguous)
	}
	return nil, fmt.Errorf("%w: repository %s has no snapshot %s: it was forgotten, or never there", api.ErrNotFound, v.place.name, ref)
}

// describer describes the snapshots of a view.
type describer struct {
	v     *view
	cfg   *config.Config
	plans []string
	held  []hold.Hold
}

// describer asks what is held, too. Where that cannot be read nothing is shown
// as held: PlanForget refuses then.
func (b *Browser) describer(ctx context.Context, v *view) *describer {
	d := &describer{v: v, cfg: b.o.Config()}
	d.plans = slices.Sorted(maps.Keys(d.cfg.Plans))
	held, err := v.held(ctx)
	if err != nil && ctx.Err() == nil {
		b.o.Log.Warn("read what is held", "repository", v.place.name, "error", err)
	}
	d.held = held
	return d
}

// of returns the plan and the source that a snapshot is of, "" for none.
func (d *describer) of(s *snapshot.Snapshot) (plan, source string) {
	if s.Plan() != "" {
		return s.Plan(), s.Source()
	}
	for _, name := range d.plans {
		if source, ok := app.SourceOf(d.cfg, name, s); ok {
			return name, source
		}
	}
	return "", s.Source()
}

// choose returns the snapshots that a query means, the newest first.
func (d *describer) choose(q api.SnapshotQuery) []*snapshot.Snapshot {
	filter := snapshot.Filter{}
	if q.Host != "" {
		filter.Hosts = []string{q.Host}
	}
	if q.Tag != "" {
		filter.Tags = []snapshot.TagList{{q.Tag}}
	}
	var chosen []*snapshot.Snapshot
	for _, s := range d.v.snapshots {
		plan, source := d.of(s)
		switch {
		case q.Plan != "" && plan != q.Plan,
			q.Source != "" && source != q.Source,
			!q.Since.IsZero() && s.Time.Before(q.Since),
			!q.Until.IsZero() && s.Time.After(q.Until),
			!filter.Match(s):
			continue
		}
		chosen = append(chosen, s)
	}
	return chosen
}

func (d *describer) describe(s *snapshot.Snapshot) api.Snapshot {
	one := api.Snapshot{
		Repository: d.v.place.name, ID: s.ID.String(), Time: s.Time, Host: s.Hostname, User: s.Username,
		Paths: []string{}, Tags: s.UserTags(), Type: string(s.Type()), Program: s.ProgramVersion,
		Held: slices.ContainsFunc(d.held, func(h hold.Hold) bool { return h.Covers(s) }),
	}
	one.Plan, one.Source = d.of(s)
	for _, p := range s.Paths {
		one.Paths = append(one.Paths, api.PathText(p))
	}
	if s.Parent != nil {
		one.Parent = s.Parent.String()
	}
	if s.Summary != nil {
		one.Bytes, one.Files, one.Added = s.Summary.TotalBytesProcessed, s.Summary.TotalFilesProcessed, s.Summary.DataAddedPacked
	}
	return one
}
