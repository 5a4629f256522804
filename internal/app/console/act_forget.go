package console

import (
	"context"
	"fmt"

	"holdfast/internal/api"
	"holdfast/internal/controller"
	"holdfast/internal/history"
)

// PlanForget implements api.Operator. The command itself is asked as well: it
// guards what was proven, and what is the last of its kind.
func (c *Console) PlanForget(ctx context.Context, q api.ForgetRequest) (*api.ForgetPlan, error) {
	plan, err := c.Browsing.PlanForget(ctx, q)
	if err != nil || plan.Refused != "" {
		return plan, err
	}
	leave, err := c.looking.take(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, foretellLimit)
	defer cancel()
	err = c.o.Try(ctx, append(forgetArgs(q.Repository, plan), "--dry-run", "--json"), func([]byte) {})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		plan.Refused = err.Error()
	}
	return plan, nil
}

func forgetArgs(repository string, plan *api.ForgetPlan) []string {
	args := []string{"forget", "--repo", repository}
	for k := range plan.Remove {
		args = append(args, plan.Remove[k].ID)
	}
	return args
}

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
	owner := ""
	for k := range plan.Remove {
		if k == 0 {
			owner = plan.Remove[k].Plan
		} else if plan.Remove[k].Plan != owner {
			owner = ""
		}
	}
	return c.ask(ctx, asked{kind: history.Forget, plan: owner, repository: q.Repository, mode: controller.Alone, args: forgetArgs(q.Repository, plan)})
}
