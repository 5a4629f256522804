package console

import (
	"context"
	"fmt"

	"holdfast/internal/api"
	"holdfast/internal/controller"
	"holdfast/internal/history"
	"holdfast/internal/size"
)

// pruneMessage is what `prune --dry-run` tells.
type pruneMessage struct {
	Unused, Remove, Repack amountMessage
	PacksRepack            int    `json:"packs_repack"`
	PacksRemove            int    `json:"packs_remove"`
	IndexFiles             int    `json:"index_files"`
	Freed                  uint64 `json:"freed_bytes"`
	UnusedAfter            uint64 `json:"unused_after_bytes"`
}

type amountMessage struct {
	Count uint64 `json:"count"`
	Bytes uint64 `json:"bytes"`
}

func (m *pruneMessage) nothingToDo() bool { return m.PacksRepack+m.PacksRemove+m.IndexFiles == 0 }

func (c *Console) pruning(q *api.PruneAct) (*errand, error) {
	if err := c.mustHave(q.Repository); err != nil {
		return nil, err
	}
	args := []string{"prune", "--repo", q.Repository, "--retry-lock", lockPatience}
	if q.MaxUnused != "" {
		var limit size.Unused
		if err := limit.Set(q.MaxUnused); err != nil {
			return nil, fmt.Errorf("%w: max_unused: %w", api.ErrInvalid, err)
		}
		args = append(args, "--max-unused", q.MaxUnused)
	}
	return &errand{
		asked: asked{kind: history.Prune, repository: q.Repository, mode: controller.AloneAtEnd, args: args},
		foretell: func(ctx context.Context, p *api.ActPlan) error {
			held, err := c.Holds(ctx, q.Repository)
			if err != nil {
				return err
			}
			err = c.wouldDo(ctx, p, of("prune_plan", func(m pruneMessage) { m.foretell(p) }), append(args, "--dry-run")...)
			if len(held) > 0 && len(p.Effects) > 0 {
				p.Refused = fmt.Sprintf("while a hold lasts nothing is pruned; since %s: %s (hold %s)", held[0].Since.Local().Format("2006-01-02 15:04"), held[0].Reason, held[0].ID)
			}
			return err
		},
	}, nil
}

func (m *pruneMessage) foretell(p *api.ActPlan) {
	if m.nothingToDo() {
		return
	}
	p.Effects = append(p.Effects,
		api.Effect{What: "data that no snapshot needs", Before: size.FormatBytes(m.Unused.Bytes), After: size.FormatBytes(m.UnusedAfter)},
		api.Effect{What: "packs deleted", After: fmt.Sprintf("%d, with %s", m.PacksRemove, size.FormatBytes(m.Remove.Bytes))},
		api.Effect{What: "packs rewritten", After: fmt.Sprintf("%d, with %s", m.PacksRepack, size.FormatBytes(m.Repack.Bytes))},
		api.Effect{What: "space freed", After: size.FormatBytes(m.Freed)},
	)
}
