package console

import (
	"context"
	"fmt"

	"holdfast/internal/api"
	"holdfast/internal/controller"
	"holdfast/internal/history"
)

// Forget implements api.Operator: it begins what PlanForget planned, as long
// as the plan is still the same.
func (c *Console) Forget(ctx context.Context, q api.ForgetRequest) (string, error) {
	plan, err := c.PlanForget(ctx, q)
	if err != nil {
		return "", err
	}
	switch {
	case plan.Refused != "":
		return "", &api.HereError{Why: plan.Refused, Command: plan.Command}
	case q.Confirm == "" || q.Confirm != plan.Confirm:
		return "", fmt.Errorf("%w: what would be removed is not what was shown; look at it again, and confirm that", api.ErrConflict)
	}
	args := []string{"forget", "--repo", q.Repository}
	owner := ""
	for k := range plan.Remove {
		args = append(args, plan.Remove[k].ID)
		if k == 0 {
			owner = plan.Remove[k].Plan
		} else if plan.Remove[k].Plan != owner {
			owner = ""
		}
	}
	return c.ask(ctx, asked{kind: history.Forget, plan: owner, repository: q.Repository, mode: controller.Alone, args: args})
}
