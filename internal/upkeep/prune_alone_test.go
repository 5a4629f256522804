package upkeep

import (
	"context"
	"testing"

	"holdfast/repository"
)

// sharedLater is a lock that is exclusive until it was asked so often which it is.
type sharedLater struct {
	Locks
	asked, until int
}

func (n *sharedLater) Number() int {
	if n.asked++; n.asked > n.until {
		return 0
	}
	return 1
}

// Lists that were asked for at once go together only while nobody else was let
// in: a pack that came after the list of packs would be missing in it.
func TestListsGoTogetherOnlyWhileNobodyIsLetIn(t *testing.T) {
	for until, want := range map[int]struct {
		alone bool
		lists int
	}{0: {false, 1}, 1: {false, 2}, 2: {true, 1}} {
		s, _, _ := beside(t)
		asked := &askedFor{Store: s}
		must(t, asked, func(r *repository.Repository) error {
			p, err := planInTurn(t.Context(), r, PruneOptions{}, Turns{Locks: &sharedLater{until: until}})
			if err != nil {
				return err
			}
			if p.o.alone != want.alone || asked.lists["data/"] != want.lists {
				t.Errorf("shared at the look %d: %v with %d lists of packs", until+1, p.o.alone, asked.lists["data/"])
			}
			return nil
		})
	}
}

// What is rewritten is listed in the index file that takes the place of others:
// one of its own would be replaced at once.
func TestPruneStoresOneIndexFile(t *testing.T) {
	s, _, want := beside(t)
	asked := &askedFor{Store: s}
	must(t, asked, func(r *repository.Repository) error {
		p, err := Prune(t.Context(), r, PruneOptions{}, turns(r, func(context.Context, int) error { return nil }))
		if err == nil && p.Stats.PacksRepack == 0 {
			t.Error("nothing was rewritten")
		}
		return err
	})
	if asked.indexFiles != 1 {
		t.Errorf("%d index files were stored", asked.indexFiles)
	}
	wantSound(t, s, want)
	wantPruned(t, s, PruneOptions{})
}
