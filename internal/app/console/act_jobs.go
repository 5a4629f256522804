package console

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/controller"
)

// StartJob implements api.Operator.
func (c *Console) StartJob(ctx context.Context, job, variant string) error {
	defer c.forgetStatus()
	return meaning(c.o.Controller.Trigger(ctx, job, variant, asker(ctx)))
}

// StopRun implements api.Operator.
func (c *Console) StopRun(ctx context.Context, run string) error {
	defer c.forgetStatus()
	err := c.o.Controller.Stop(ctx, run, asker(ctx))
	if errors.Is(err, controller.ErrNotRunning) {
		if _, gone := c.o.History.Get(run); gone != nil {
			return fmt.Errorf("%w: there is no run %q", api.ErrNotFound, run)
		}
		return fmt.Errorf("%w: run %s has ended", api.ErrConflict, run)
	}
	return meaning(err)
}

// maxPause bounds a pause with an end: what is longer is a plan to be removed.
const maxPause = 366 * 24 * time.Hour

// PausePlan implements api.Operator.
func (c *Console) PausePlan(ctx context.Context, plan string, p api.PauseRequest) error {
	if _, ok := c.o.Config().Plans[plan]; !ok {
		return noPlan(plan)
	}
	if p.ForSeconds < 0 || p.ForSeconds > maxPause.Seconds() {
		return fmt.Errorf("%w: a pause lasts up to a year, or without an end", api.ErrInvalid)
	}
	pause := controller.Pause{Plan: plan, Since: time.Now().Round(time.Second), By: asker(ctx), Reason: p.Reason}
	if p.ForSeconds > 0 {
		pause.Until = pause.Since.Add(seconds(p.ForSeconds))
	}
	defer c.forgetStatus()
	if err := meaning(c.o.Controller.Pause(ctx, pause)); err != nil {
		return err
	}
	return c.o.KeepPause(ctx, plan, &pause)
}

// ResumePlan implements api.Operator.
func (c *Console) ResumePlan(ctx context.Context, plan string) error {
	if _, ok := c.o.Config().Plans[plan]; !ok {
		return noPlan(plan)
	}
	defer c.forgetStatus()
	if err := meaning(c.o.Controller.Resume(ctx, plan)); err != nil {
		return err
	}
	return c.o.KeepPause(ctx, plan, nil)
}

// asker is the name of who asks.
func asker(ctx context.Context) string {
	p, _ := api.PrincipalOf(ctx)
	return p.Name
}

// meaning gives an error of the controller the words of the API.
func meaning(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, controller.ErrUnknown):
		return fmt.Errorf("%w: %w", api.ErrNotFound, err)
	case errors.Is(err, controller.ErrTooMany), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", api.ErrConflict, err)
}
