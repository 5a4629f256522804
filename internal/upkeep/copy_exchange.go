package upkeep

import (
	"context"
	"slices"
	"sync"
	"time"

	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// A copy looks now and then at what others have brought to its destinations
// meanwhile: two copies to one place would otherwise each bring all. That costs a
// request and, where others are at work, an index file.
const (
	exchangeEvery  = 30 * time.Second
	exchangeShared = 10 * time.Second // where others are at work
)

// exchange looks at what others have brought to the destinations, if it is time
// for that, and returns whether they have brought anything. Where others are at
// work they see in turn what was copied so far.
func (c *copier) exchange(ctx context.Context) (news bool) {
	every := exchangeEvery
	if c.isShared() {
		every = exchangeShared
	}
	if time.Since(c.exchanged) < every {
		return false
	}
	alive := c.alive()
	got := make([]bool, len(alive))
	var asking sync.WaitGroup
	for n, d := range alive {
		asking.Go(func() {
			var err error
			got[n], err = d.exchange(ctx)
			d.fail(err)
		})
	}
	asking.Wait()
	c.exchanged = time.Now()
	for _, some := range got {
		news = news || some
	}
	return news
}

func (d *target) exchange(ctx context.Context) (news bool, err error) {
	told := d.isShared()
	news, err = d.writer.Exchange(ctx, told)
	if err != nil || !news {
		return false, err
	}
	d.shared.Store(true)
	if !told {
		if _, err := d.writer.Exchange(ctx, true); err != nil {
			return false, err
		}
	}
	d.lookAnew()
	return true, d.leaveToOthers(ctx)
}

// leaveToOthers copies no snapshots that others have copied meanwhile.
func (d *target) leaveToOthers(ctx context.Context) error {
	there, err := d.Repository.Snapshots(ctx)
	if err != nil && !repository.IsCorrupt(err) {
		return err
	}
	// Those that were copied by this very run are among them.
	brought := func(s *snapshot.Snapshot) bool { return Copied(s, there) != nil && !d.hasCopied(s) }
	d.Snapshots = slices.DeleteFunc(d.Snapshots, brought)
	d.complete = slices.DeleteFunc(d.complete, brought)
	return nil
}

// hasCopied tells whether this run has copied a snapshot.
func (d *target) hasCopied(s *snapshot.Snapshot) bool { return Copied(s, d.Receipt.Copied) != nil }
