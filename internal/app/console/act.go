package console

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"holdfast/internal/api"
)

// errand is what an act comes to: a command, and what it would do.
type errand struct {
	asked

	// foretell puts into a plan what the command would do; nil for what
	// destroys nothing, and begins at once.
	foretell func(ctx context.Context, p *api.ActPlan) error
}

// errandOf finds out what an act comes to. The errors wrap those of package
// api: nothing of it was looked at but the request and the configuration.
func (c *Console) errandOf(ctx context.Context, q api.ActRequest) (*errand, error) {
	switch q := q.(type) {
	case *api.TagAct:
		return c.tagging(ctx, q)
	case *api.UnlockAct:
		return c.unlocking(q)
	case *api.PruneAct:
		return c.pruning(q)
	case *api.ArchiveAct:
		return c.archiving(ctx, q)
	case *api.StorageAct:
		return c.settingUp(q)
	case *api.CheckAct:
		return c.checking(q)
	case *api.VerifyAct:
		return c.verifying(q)
	case *api.ArchiveCheckAct:
		return c.readingArchives(q)
	case *api.KitCheckAct:
		return c.holdingKit(q)
	case *api.StorageCheckAct:
		return c.checkingStorage(q)
	}
	return nil, fmt.Errorf("%w: there is no act of type %T", api.ErrInvalid, q)
}

// PlanAct implements api.Operator. Nothing is changed.
func (c *Console) PlanAct(ctx context.Context, q api.ActRequest) (*api.ActPlan, error) {
	e, err := c.errandOf(ctx, q)
	if err != nil {
		return nil, err
	}
	return c.plan(ctx, e)
}

func (c *Console) plan(ctx context.Context, e *errand) (*api.ActPlan, error) {
	p := &api.ActPlan{Command: c.command(e.args...)}
	if e.foretell == nil {
		return p, nil
	}
	if err := e.foretell(ctx, p); err != nil {
		return nil, err
	}
	if len(p.Effects) > 0 && p.Refused == "" {
		p.Confirm = c.seal([]any{p.Command, p.Effects, p.Warnings})
	}
	return p, nil
}

// BeginAct implements api.Operator: it begins what PlanAct planned, as long as
// the plan is still the same.
func (c *Console) BeginAct(ctx context.Context, q api.ActRequest) (string, error) {
	e, err := c.errandOf(ctx, q)
	if err != nil {
		return "", err
	}
	if e.foretell != nil {
		p, err := c.plan(ctx, e)
		switch {
		case err != nil:
			return "", err
		case p.Refused != "":
			return "", &api.HereError{Why: p.Refused, Command: p.Command}
		case len(p.Effects) == 0:
			return "", fmt.Errorf("%w: there is nothing to do", api.ErrConflict)
		case !hmac.Equal([]byte(q.Confirmed()), []byte(p.Confirm)):
			return "", fmt.Errorf("%w: what would be done is not what was shown; look at it again, and confirm that", api.ErrConflict)
		}
	}
	return c.ask(ctx, e.asked)
}

// mustHave is an error unless the configuration has a repository.
func (c *Console) mustHave(repository string) error {
	if _, ok := c.o.Config().Repositories[repository]; !ok {
		return fmt.Errorf("%w: there is no repository %q in holdfast.yaml", api.ErrNotFound, repository)
	}
	return nil
}

// wouldDo asks a command itself what it would do, and takes each message that
// it prints. What keeps the command from it is why the service refuses.
func (c *Console) wouldDo(ctx context.Context, p *api.ActPlan, take func(message []byte) error, args ...string) error {
	err := c.read(ctx, take, args...)
	if failed := new(commandError); errors.As(err, &failed) {
		p.Refused, p.Effects = failed.Error(), nil
		return nil
	}
	return err
}

// seal stands for facts that somebody was shown: nobody else can make it.
func (c *Console) seal(facts any) string {
	text, err := json.Marshal(facts)
	if err != nil {
		panic(errors.Join(errors.New("console: a plan cannot be written as JSON"), err))
	}
	sum := hmac.New(sha256.New, c.confirmKey)
	sum.Write(text)
	return hex.EncodeToString(sum.Sum(nil))
}
