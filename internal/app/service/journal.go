package service

import (
	"context"
	"errors"
	"strings"
	"time"

	"holdfast/internal/controller"
	"holdfast/internal/history"
	"holdfast/internal/ledger"
)

// Where the controller's state is in the ledger.
const (
	jobsPrefix   = "jobs/"
	pausesPrefix = "pauses/"
	seenPrefix   = "seen/"
)

// journal keeps the state of the controller in the ledger.
type journal struct{ *ledger.Ledger }

func (j journal) States(ctx context.Context) (map[string]controller.State, error) {
	return listAll[controller.State](ctx, j.Ledger, jobsPrefix)
}

func (j journal) Save(ctx context.Context, job string, s controller.State) error {
	_, err := j.Put(ctx, jobsPrefix+job, s, ledger.AnyRevision)
	return err
}

// Forget implements controller.Journal.
func (j journal) Forget(ctx context.Context, job string) error { return j.Delete(ctx, jobsPrefix+job) }

func (j journal) Pauses(ctx context.Context) (map[string]controller.Pause, error) {
	return listAll[controller.Pause](ctx, j.Ledger, pausesPrefix)
}

func (j journal) SavePause(ctx context.Context, plan string, p *controller.Pause) error {
	if p == nil {
		return j.Delete(ctx, pausesPrefix+plan)
	}
	_, err := j.Put(ctx, pausesPrefix+plan, p, ledger.AnyRevision)
	return err
}

// Seen reads what SaveSeen wrote.
func (j journal) Seen(ctx context.Context) (map[string]time.Time, error) {
	all := map[string]time.Time{}
	shards, err := listAll[map[string]time.Time](ctx, j.Ledger, seenPrefix)
	for _, shard := range shards {
		for key, at := range shard {
			all[key] = at
		}
	}
	return all, err
}

// SaveSeen writes one value for all jobs of a first letter: one for each job
// would take long for a thousand plans, and one for all would be too large.
func (j journal) SaveSeen(ctx context.Context, seen map[string]time.Time) error {
	shards := map[string]map[string]time.Time{}
	for key, at := range seen {
		shard := shardOf(key)
		if shards[shard] == nil {
			shards[shard] = map[string]time.Time{}
		}
		shards[shard][key] = at
	}
	for shard, content := range shards {
		if _, err := j.Put(ctx, seenPrefix+shard, content, ledger.AnyRevision); err != nil {
			return err
		}
	}
	return nil
}

// seenShards is how many values hold when jobs were seen first.
const seenShards = 16

func shardOf(key string) string {
	sum := 0
	for _, c := range []byte(key) {
		sum += int(c)
	}
	return string(rune('a' + sum%seenShards))
}

func listAll[T any](ctx context.Context, l *ledger.Ledger, prefix string) (map[string]T, error) {
	all := map[string]T{}
	err := l.List(ctx, prefix, func(key string, decode func(any) error, _ ledger.Revision) error {
		var v T
		if err := decode(&v); err != nil {
			return err
		}
		all[strings.TrimPrefix(key, prefix)] = v
		return nil
	})
	return all, err
}

// historian appends runs to the history, each once: after a crash between
// history and journal the same run comes again.
type historian struct {
	*history.History
	observe func(*history.Run)
}

// lookBack is how many of a plan's newest runs may have come again: those that
// were under way together.
const lookBack = 20

func (h historian) Append(run history.Run) error {
	last, err := h.Last(run.Plan, lookBack)
	if err != nil && !errors.Is(err, history.ErrDamaged) {
		return err
	}
	for k := range last {
		if last[k].ID == run.ID {
			return nil
		}
	}
	if err := h.History.Append(run); err != nil {
		return err
	}
	h.observe(&run)
	return nil
}
