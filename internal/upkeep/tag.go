package upkeep

import (
	"context"

	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// Tag edits the user's tags of some snapshots out of all, and returns the
// edits that changed something. What was edited before an error stays edited.
func Tag(ctx context.Context, r *repository.Repository, all, some []*snapshot.Snapshot, edit snapshot.TagEdit) ([]Edit, error) {
	replacer, err := newReplacer(r, all)
	if err != nil {
		return nil, err
	}
	var edits []Edit
	for _, s := range some {
		edited, changed, err := s.WithUserTags(edit)
		if err != nil {
			return edits, err
		}
		if !changed {
			continue
		}
		e := Edit{Old: s, New: edited}
		if err := replacer.replace(ctx, &e); err != nil {
			return edits, err
		}
		edits = append(edits, e)
	}
	return edits, nil
}
