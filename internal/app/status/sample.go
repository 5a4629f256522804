package status

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage"
)

const (
	// walkers is how many ways from the root folder of a snapshot to a file are
	// gone: what is missing there is mostly missing altogether, and each look
	// takes other ways.
	walkers = 4
	// deepest bounds how many folders a way leads through.
	deepest = 100
)

// sample gathers where some of the blobs lie that a snapshot needs, whatever
// their age: its root folder, and what stands on a few ways down from there
// that are chosen by chance. No content of files is read.
type sample struct {
	repo *repository.Repository
	// packs are, for each of the blobs, those that hold it.
	packs [][]id.ID
}

// descend sends walkers on from a folder.
func (s *sample) descend(ctx context.Context, folder id.ID, walkers, deepest int) error {
	if err := s.take(blob.Handle{ID: folder, Type: blob.Tree}); err != nil || deepest == 0 {
		return err
	}
	plain, err := s.repo.LoadTree(ctx, folder, nil)
	if err != nil {
		return fmt.Errorf("read a folder: %w", err)
	}
	picks, err := pick(plain, walkers)
	if err != nil {
		return fmt.Errorf("read folder %s: %w", folder.Short(), err)
	}
	below := make(map[id.ID]int)
	for _, h := range picks {
		if h.Type == blob.Tree {
			below[h.ID]++
		} else if err := s.take(h); err != nil {
			return err
		}
	}
	for next, n := range below {
		if err := s.descend(ctx, next, n, deepest-1); err != nil {
			return err
		}
	}
	return nil
}

// take notes the packs that hold a blob.
func (s *sample) take(h blob.Handle) error {
	var packs []id.ID
	for _, l := range s.repo.Index().LookupAll(nil, h) {
		packs = append(packs, l.Pack)
	}
	if len(packs) == 0 {
		return fmt.Errorf("%s: %w", h, repository.ErrNotIndexed)
	}
	s.packs = append(s.packs, packs)
	return nil
}

// pick chooses what each walker goes on with, of the folders and the pieces of
// files in a folder: each entry with the same chance.
func pick(folder []byte, walkers int) ([]blob.Handle, error) {
	picks := make([]blob.Handle, walkers)
	seen := 0
	scanner := tree.NewLightScanner(folder)
	for scanner.Next() {
		n := scanner.Node()
		if n.Subtree == nil && len(n.Content) == 0 {
			continue
		}
		seen++
		for k := range picks {
			if rand.IntN(seen) > 0 { //nolint:gosec // chance is enough
				continue
			}
			if n.Subtree != nil {
				picks[k] = blob.Handle{ID: *n.Subtree, Type: blob.Tree}
			} else {
				picks[k] = blob.Handle{ID: n.Content[rand.IntN(len(n.Content))], Type: blob.Data} //nolint:gosec // see above
			}
		}
	}
	if seen == 0 {
		picks = nil
	}
	return picks, scanner.Err()
}

// isLost tells an error that says that something is missing, or damaged, from
// one of a store that does not answer.
func isLost(err error) bool {
	return errors.Is(err, repository.ErrNotIndexed) || errors.Is(err, storage.ErrNotFound) || repository.IsCorrupt(err)
}

// lookAtNeeds makes sure that a sample of what the newest snapshot needs is
// there, and returns the packs that hold it; none if the snapshot is gone.
func (s *Survey) lookAtNeeds(ctx context.Context, r *repository.Repository, newest *snapshot.Snapshot) (id.Set, error) {
	packs, err := needs(ctx, r, newest)
	if err == nil || !isLost(err) {
		return packs, err
	}
	// Without a lock, somebody may have pruned meanwhile.
	if _, gone := r.Store().Stat(ctx, repository.SnapshotFile.Key(newest.ID)); errors.Is(gone, storage.ErrNotFound) {
		return nil, nil
	}
	if packs, err = needs(ctx, r, newest); err != nil && isLost(err) {
		s.Lost = fmt.Sprintf("what snapshot %s needs is not there, or damaged: %v", newest.ID.Short(), err)
		return nil, nil
	}
	return packs, err
}

// needs returns the packs that hold a sample of what a snapshot needs.
func needs(ctx context.Context, r *repository.Repository, s *snapshot.Snapshot) (id.Set, error) {
	if err := r.LoadIndex(ctx); err != nil {
		return nil, err
	}
	one := sample{repo: r}
	if err := one.descend(ctx, s.Tree, walkers, deepest); err != nil {
		return nil, err
	}
	found := make(id.Set)
	for _, packs := range one.packs {
		if err := present(ctx, r.Store(), packs, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// present adds those packs to found that are there: of some that hold the same
// blob, one at least.
func present(ctx context.Context, s storage.Store, packs []id.ID, found id.Set) error {
	var missing error
	there := false
	for _, pack := range packs {
		if found.Has(pack) {
			there = true
			continue
		}
		switch _, err := s.Stat(ctx, repository.PackFile.Key(pack)); {
		case err == nil:
			there = true
			found.Add(pack)
		case errors.Is(err, storage.ErrNotFound):
			missing = fmt.Errorf("pack %s: %w", pack.Short(), err)
		default:
			return err
		}
	}
	if there {
		return nil
	}
	return missing
}
