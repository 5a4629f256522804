//go:build !unix

package service

import (
	"context"
	"errors"
	"time"
)

// ErrPlanRuns says that a plan is being backed up already.
var ErrPlanRuns = errors.New("a backup of this plan is running")

// PlanLock does nothing here: the repository's own lock has to do.
type PlanLock struct{}

// LockPlan takes no lock on this system.
func (d Dir) LockPlan(context.Context, string, time.Duration) (*PlanLock, error) {
	return &PlanLock{}, nil
}

// Unlock does nothing.
func (*PlanLock) Unlock() error { return nil }
