package upkeep

import (
	"context"
	"fmt"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// Edit is a snapshot and what is to be stored in its place.
type Edit struct {
	Old *snapshot.Snapshot
	// New has its ID once it is stored.
	New *snapshot.Snapshot
}

// replacer stores edited snapshots in the place of others. An edit that an
// earlier run stored, but whose old snapshot it did not live to remove, is
// not stored again.
type replacer struct {
	repo *repository.Repository
	// stored finds snapshots by what they say.
	stored map[string]*snapshot.Snapshot
}

func newReplacer(r *repository.Repository, snapshots []*snapshot.Snapshot) (*replacer, error) {
	p := &replacer{repo: r, stored: make(map[string]*snapshot.Snapshot, len(snapshots))}
	for _, s := range snapshots {
		content, err := contentID(s)
		if err != nil {
			return nil, err
		}
		p.stored[content] = s
	}
	return p, nil
}

// contentID tells snapshots apart by what they say.
func contentID(s *snapshot.Snapshot) (string, error) {
	plain, err := s.Encode()
	if err != nil {
		return "", fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
	}
	return id.Hash(plain).String(), nil
}

// add stores e.New unless a snapshot says the same already.
func (p *replacer) add(ctx context.Context, e *Edit) error {
	content, err := contentID(e.New)
	if err != nil {
		return err
	}
	if same := p.stored[content]; same != nil {
		e.New.ID = same.ID
		return nil
	}
	if err := p.repo.SaveSnapshot(ctx, e.New); err != nil {
		return err
	}
	p.stored[content] = e.New
	return nil
}

// replace stores e.New, then removes e.Old.
func (p *replacer) replace(ctx context.Context, e *Edit) error {
	if err := p.add(ctx, e); err != nil {
		return err
	}
	if e.New.ID == e.Old.ID {
		return nil
	}
	return p.repo.RemoveFile(ctx, repository.SnapshotFile, e.Old.ID)
}
