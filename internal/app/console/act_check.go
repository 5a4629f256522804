package console

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"holdfast/internal/api"
	"holdfast/internal/controller"
	"holdfast/internal/history"
	"holdfast/internal/size"
)

// checking reads a repository back, beside others who work there.
func (c *Console) checking(q *api.CheckAct) (*errand, error) {
	if err := c.mustHave(q.Repository); err != nil {
		return nil, err
	}
	args := []string{"check", "--repo", q.Repository}
	switch q.Read {
	case "":
	case "all":
		args = append(args, "--read-data")
	default:
		var part size.Subset
		if err := part.Set(q.Read); err != nil {
			return nil, fmt.Errorf("%w: read: %w", api.ErrInvalid, err)
		}
		args = append(args, "--read-data-subset", q.Read)
	}
	return &errand{asked: asked{kind: history.Check, repository: q.Repository, mode: controller.Reads, args: args}}, nil
}

// verifying tests a restore of a plan at a point of a person's choice.
func (c *Console) verifying(q *api.VerifyAct) (*errand, error) {
	plan, ok := c.o.Config().Plans[q.Plan]
	switch {
	case !ok:
		return nil, noPlan(q.Plan)
	case q.Source != "" && !slices.Contains(plan.Sources, q.Source):
		return nil, fmt.Errorf("%w: plan %s has no source %q; it has %s", api.ErrInvalid, q.Plan, q.Source, strings.Join(plan.Sources, ", "))
	case q.Repository != "" && !slices.Contains(plan.Repositories(), q.Repository):
		return nil, fmt.Errorf("%w: plan %s is not kept in %q, but in %s", api.ErrInvalid, q.Plan, q.Repository, strings.Join(plan.Repositories(), ", "))
	case len(q.Point) > maxPoint || strings.ContainsFunc(q.Point, func(r rune) bool { return !unicode.IsPrint(r) }):
		return nil, fmt.Errorf("%w: a point is newest, oldest, random, backup-end, a time or the ID of a snapshot", api.ErrInvalid)
	}
	args := []string{"verify", "--plan", q.Plan}
	for _, flag := range [][2]string{{"--source", q.Source}, {"--from", q.Repository}, {"--point", q.Point}} {
		if flag[1] != "" {
			args = append(args, flag[0], flag[1])
		}
	}
	return &errand{asked: asked{
		kind: history.RestoreTest, plan: q.Plan, source: q.Source, repository: cmp.Or(q.Repository, plan.Repository), mode: controller.Reads, args: args,
	}}, nil
}

const (
	// maxPoint bounds how a point is named: the ID of a snapshot has 64 letters.
	maxPoint = 64
	// maxPage bounds the page of a recovery kit, in bytes.
	maxPage = 768 << 10
)

// holdingKit holds the page of a kit to a repository. It goes to the process by
// its standard input: the password may be on it.
func (c *Console) holdingKit(q *api.KitCheckAct) (*errand, error) {
	if err := c.mustHave(q.Repository); err != nil {
		return nil, err
	}
	if strings.TrimSpace(q.Page) == "" || len(q.Page) > maxPage {
		return nil, fmt.Errorf("%w: the page of a recovery kit has 1 byte to %d KiB", api.ErrInvalid, maxPage>>10)
	}
	return &errand{asked: asked{
		kind: history.KitCheck, repository: q.Repository, mode: controller.Reads,
		args: []string{"kit", "check", "-", "--repo", q.Repository}, input: []byte(q.Page),
	}}, nil
}
