package console

import (
	"context"

	"holdfast/internal/api"
	"holdfast/internal/controller"
	"holdfast/internal/history"
)

// lockPatience is how long what people ask for waits for somebody elsewhere who
// has the repository for himself.
const lockPatience = "5m"

func (c *Console) tagging(ctx context.Context, q *api.TagAct) (*errand, error) {
	plan, ids, err := c.PlanTag(ctx, q)
	if err != nil {
		return nil, err
	}
	args := []string{"tag", "--repo", q.Repository, "--retry-lock", lockPatience}
	for _, tag := range q.Add {
		args = append(args, "--add", tag)
	}
	for _, tag := range q.Remove {
		args = append(args, "--remove", tag)
	}
	return &errand{
		asked: asked{kind: history.Tag, repository: q.Repository, mode: controller.Alone, args: append(args, ids...)},
		foretell: func(_ context.Context, p *api.ActPlan) error {
			p.Effects, p.Warnings, p.Refused = plan.Effects, plan.Warnings, plan.Refused
			return nil
		},
	}, nil
}
