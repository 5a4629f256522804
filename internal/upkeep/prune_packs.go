package upkeep

import (
	"context"
	"fmt"
	"time"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/storage"
)

// listedPack is a pack as the store lists it.
type listedPack struct {
	id        id.ID
	sizeBytes int64
	// class, put and unreadable are as in packState.
	class      string
	put        time.Time
	unreadable bool
}

// packList is the list of all packs, which is asked for beside other work.
type packList struct {
	repo   *repository.Repository
	packs  []listedPack
	cancel context.CancelFunc // nil before start
	done   chan struct{}
	err    error
}

func newPackList(p *PrunePlan) *packList {
	return &packList{repo: p.repo, done: make(chan struct{})}
}

// start asks for the list.
func (l *packList) start(ctx context.Context) {
	ctx, l.cancel = context.WithCancel(ctx)
	go func() { // abandon waits for it
		defer close(l.done)
		l.err = l.ask(ctx)
	}()
}

// wait returns the list when it is there.
func (l *packList) wait() ([]listedPack, error) {
	<-l.done
	return l.packs, l.err
}

// abandon ends what is under way.
func (l *packList) abandon() {
	if l.cancel != nil {
		l.cancel()
		<-l.done
	}
}

// ask lists the packs with their storage class, where the store has such, in as
// many requests as without.
func (l *packList) ask(ctx context.Context) error {
	tiering, ok := storage.As[storage.Tiering](l.repo.Store())
	if !ok {
		return l.repo.ListFiles(ctx, repository.PackFile, func(i id.ID, sizeBytes int64) error {
			l.packs = append(l.packs, listedPack{id: i, sizeBytes: sizeBytes})
			return nil
		})
	}
	err := tiering.ListTiers(ctx, "data/", func(info storage.Info, tier storage.Tier) error {
		i, err := id.Parse(info.Key[max(0, len(info.Key)-2*len(id.ID{})):])
		if err != nil || info.Key != repository.PackFile.Key(i) {
			return nil // it belongs to others
		}
		l.packs = append(l.packs, listedPack{id: i, sizeBytes: info.SizeBytes, class: tier.Class, put: info.Stored, unreadable: tier.Cold})
		return nil
	})
	if err != nil {
		return fmt.Errorf("list packs: %w", err)
	}
	return nil
}
