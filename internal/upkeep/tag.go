package upkeep

import (
	"context"

	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// Tag edits the user's tags of some snapshots while others work in the
// repository, and returns the edits that changed something. For itself it has
// the repository only to put one snapshot in the place of another, for a few
// seconds at a time. What was edited before an error stays edited.
func Tag(ctx context.Context, r *repository.Repository, edit snapshot.TagEdit, t EditTurns) ([]Edit, error) {
	e := editor{repo: r, turns: t, make: func(_ context.Context, some []*snapshot.Snapshot) ([]Edit, error) {
		var edits []Edit
		for _, s := range some {
			edited, changed, err := s.WithUserTags(edit)
			if err != nil {
				return nil, err
			}
			if changed {
				edits = append(edits, Edit{Old: s, New: edited})
			}
		}
		return edits, nil
	}}
	return e.inTurns(ctx)
}
