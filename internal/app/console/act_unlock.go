package console

import (
	"context"
	"fmt"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/history"
)

// lockMessage is what `unlock --dry-run` tells of a lock.
type lockMessage struct {
	ID        string     `json:"id"`
	Host      string     `json:"host"`
	User      string     `json:"user"`
	PID       int        `json:"pid"`
	Exclusive bool       `json:"exclusive"`
	Time      *time.Time `json:"time"`
	Stale     bool       `json:"stale"`
	Error     string     `json:"error"`
}

func (m *lockMessage) seen() api.Lock {
	l := api.Lock{ID: m.ID, Host: m.Host, User: m.User, PID: m.PID, Exclusive: m.Exclusive, Stale: m.Stale, Error: m.Error}
	if m.Time != nil {
		l.Refreshed = *m.Time
	}
	return l
}

// Locks implements api.Looker.
func (c *Console) Locks(ctx context.Context, repository string) ([]api.Lock, error) {
	if err := c.mustHave(repository); err != nil {
		return nil, err
	}
	locks := []api.Lock{}
	err := c.read(ctx, of("lock", func(m lockMessage) { locks = append(locks, m.seen()) }), "unlock", "--repo", repository, "--dry-run")
	return locks, unavailable(err)
}

// unlocking removes what programs left that are gone. It waits for nobody: such
// a lock may be what others wait for.
func (c *Console) unlocking(q *api.UnlockAct) (*errand, error) {
	if err := c.mustHave(q.Repository); err != nil {
		return nil, err
	}
	args := []string{"unlock", "--repo", q.Repository}
	return &errand{
		asked: asked{kind: history.Unlock, repository: q.Repository, beside: true, args: args},
		foretell: func(ctx context.Context, p *api.ActPlan) error {
			stay := 0
			err := c.wouldDo(ctx, p, of("lock", func(m lockMessage) {
				if !m.Stale {
					stay++
					return
				}
				p.Effects = append(p.Effects, api.Effect{
					What:   fmt.Sprintf("lock %.8s of %s, process %d", m.ID, m.Host, m.PID),
					Before: "its holder is gone", After: "removed",
				})
			}), append(args, "--dry-run")...)
			if stay > 0 && p.Refused == "" {
				p.Warnings = append(p.Warnings, fmt.Sprintf("%d other locks stay: their holders may be working", stay))
			}
			return err
		},
	}, nil
}
