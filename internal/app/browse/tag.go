package browse

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"holdfast/internal/api"
	"holdfast/internal/hold"
	"holdfast/repository/snapshot"
)

// PlanTag says which tags of snapshots would change, and returns the IDs of the
// snapshots that are meant.
func (b *Browser) PlanTag(ctx context.Context, q *api.TagAct) (*api.ActPlan, []string, error) {
	edit := snapshot.TagEdit{Add: q.Add, Remove: q.Remove}
	if len(q.Add)+len(q.Remove) == 0 {
		return nil, nil, fmt.Errorf("%w: name tags to add or to remove", api.ErrInvalid)
	}
	if len(q.Snapshots) == 0 {
		return nil, nil, fmt.Errorf("%w: no snapshot is named", api.ErrInvalid)
	}
	for _, tag := range slices.Concat(q.Add, q.Remove) {
		if strings.TrimSpace(tag) != tag || tag == "" || strings.ContainsFunc(tag, func(r rune) bool { return r == ',' || !unicode.IsPrint(r) }) {
			return nil, nil, fmt.Errorf("%w: %q is no tag: it has no comma, and no space around it", api.ErrInvalid, tag)
		}
	}
	if err := edit.Validate(); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	// A copy would not do: the snapshots of this one are changed.
	v, err := b.view(ctx, q.Repository)
	if err != nil {
		return nil, nil, err
	}
	defer v.release()
	held, err := hold.Active(ctx, v.repo)
	if err != nil {
		return nil, nil, v.explain("what is held", err)
	}
	plan := &api.ActPlan{}
	var ids []string
	for _, ref := range q.Snapshots {
		s, err := v.find(ref, nil)
		if err != nil {
			return nil, nil, err
		}
		edited, changed, err := s.WithUserTags(edit)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", api.ErrInvalid, err)
		}
		if !changed {
			continue
		}
		ids = append(ids, s.ID.String())
		plan.Effects = append(plan.Effects, api.Effect{
			What:   fmt.Sprintf("snapshot %s of %s", s.ID.Short(), s.Time.Local().Format(time.DateTime)),
			Before: tagsText(s), After: tagsText(edited),
		})
		for _, h := range held {
			if h.Covers(s) && plan.Refused == "" {
				plan.Refused = fmt.Sprintf("snapshot %s is held since %s: %s (hold %s); release the hold first",
					s.ID.Short(), h.Time.Local().Format(time.DateTime), h.Reason, h.ID)
			}
		}
	}
	if len(ids) > 0 {
		plan.Warnings = append(plan.Warnings, "each snapshot gets a new ID, since its tags are a part of it; policies that go by tags keep what they then find")
	}
	return plan, ids, nil
}

func tagsText(s *snapshot.Snapshot) string {
	if tags := s.UserTags(); len(tags) > 0 {
		return strings.Join(tags, ", ")
	}
	return "no tags"
}
