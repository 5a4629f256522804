package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"holdfast/storage"
)

// Sample is what looking at some objects has shown of their retention.
type Sample struct {
	// Looked counts the objects looked at, all of which every snapshot needs,
	// or holds: the config, keys, index files and snapshots.
	Looked int
	// Bare counts those that nothing protects, Ending those whose protection
	// ends within a tenth of the period.
	Bare, Ending int
}

// sampled bounds how many objects of each kind are looked at.
const sampled = 10

// TakeSample looks at the retention of some of the objects that are needed as
// long as there are snapshots. Without a password nobody can tell which packs
// are; those end with the others, as they are extended together.
func TakeSample(ctx context.Context, s storage.Store, period time.Duration, now time.Time) (Sample, error) {
	locker, ok := storage.As[storage.Locker](s)
	if !ok {
		return Sample{}, nil
	}
	keys := []string{"config"}
	for _, prefix := range []string{"keys/", "index/", "snapshots/"} {
		taken := 0
		err := s.List(ctx, prefix, func(i storage.Info) error {
			if taken++; taken > sampled {
				return errFound
			}
			keys = append(keys, i.Key)
			return nil
		})
		if err != nil && !errors.Is(err, errFound) {
			return Sample{}, fmt.Errorf("list %s: %w", strings.TrimSuffix(prefix, "/"), err)
		}
	}
	var looked, bare, ending atomic.Int64
	err := forEach(ctx, keys, func(ctx context.Context, key string) error {
		r, err := locker.Retention(ctx, key)
		if errors.Is(err, storage.ErrNotFound) {
			return nil // nothing there yet, or gone by now
		}
		if err != nil {
			return err
		}
		looked.Add(1)
		switch left := r.Until.Sub(now); {
		case r.IsZero() || left <= 0:
			bare.Add(1)
		case left < period/10:
			ending.Add(1)
		}
		return nil
	})
	return Sample{int(looked.Load()), int(bare.Load()), int(ending.Load())}, err
}

// sample judges what was seen of retentions.
func (c *findings) sample() {
	s := c.Sample
	if s == nil || s.Looked == 0 || c.Wishes.Immutable.Mode == "" {
		return
	}
	const fix = "run `holdfast storage extend`, and see to it that backups, or that, run at least once in half of the period"
	switch {
	case s.Bare > 0:
		c.add(Warning, "retentions", fmt.Sprintf("nothing protects %d of %d objects looked at, which snapshots need", s.Bare, s.Looked), fix)
	case s.Ending > 0:
		c.add(Warning, "retentions", fmt.Sprintf("the protection of %d of %d objects looked at ends soon", s.Ending, s.Looked), fix)
	default:
		c.add(Good, "retentions", fmt.Sprintf("all of %d objects looked at are retained", s.Looked), "")
	}
}
