package webtest

import (
	"context"
	"strings"

	"holdfast/internal/api"
)

// StartJob implements api.Operator.
func (b *Backend) StartJob(_ context.Context, job, variant string) error {
	return b.act("start %s %s", job, variant)
}

// StopRun implements api.Operator.
func (b *Backend) StopRun(_ context.Context, run string) error { return b.act("stop %s", run) }

// PausePlan implements api.Operator.
func (b *Backend) PausePlan(_ context.Context, plan string, p api.PauseRequest) error {
	return b.act("pause %s for %v: %s", plan, p.ForSeconds, p.Reason)
}

// ResumePlan implements api.Operator.
func (b *Backend) ResumePlan(_ context.Context, plan string) error { return b.act("resume %s", plan) }

// PlanRestore implements api.Operator.
func (b *Backend) PlanRestore(_ context.Context, q api.RestoreRequest) (*api.RestorePlan, error) {
	if b.Fail != nil {
		return nil, b.Fail
	}
	p := &api.RestorePlan{
		Request: q, Target: q.Target, Recovery: q.Time, Files: 190000, Bytes: 31 << 30, FreeBytes: 200 << 30, Overwrites: []string{"/srv/www/index.html"}, Seconds: 480,
		Command: []string{"holdfast", "restore", q.Snapshot, "--target", q.Target}, Confirm: "confirmed",
	}
	for k := range b.Taken {
		if b.Taken[k].ID == q.Snapshot || q.Snapshot == "" && b.Taken[k].Plan == q.Plan {
			p.Snapshot = &b.Taken[k]
			break
		}
	}
	if strings.HasPrefix(q.Target, "/etc") {
		p.Refused = "the service may write below /var/lib/holdfast/restores only"
	}
	return p, nil
}

// Restore implements api.Operator.
func (b *Backend) Restore(_ context.Context, q api.RestoreRequest) (string, error) {
	return "run-protect", b.act("restore %s %s %s to %q, confirmed %q", q.Plan, q.Snapshot, strings.Join(q.Paths, ","), q.Target, q.Confirm)
}

// PlanForget implements api.Operator.
func (b *Backend) PlanForget(_ context.Context, q api.ForgetRequest) (*api.ForgetPlan, error) {
	p := &api.ForgetPlan{Keep: len(b.Taken) - len(q.Snapshots), Warnings: []string{"the last full backup is among them"}, Command: append([]string{"holdfast", "forget"}, q.Snapshots...), Confirm: "confirmed"}
	for _, s := range b.Taken {
		for _, id := range q.Snapshots {
			if s.ID == id {
				p.Remove = append(p.Remove, s)
			}
		}
	}
	return p, b.Fail
}

// Forget implements api.Operator.
func (b *Backend) Forget(_ context.Context, q api.ForgetRequest) (string, error) {
	return "run-protect", b.act("forget %s in %s, confirmed %q", strings.Join(q.Snapshots, ","), q.Repository, q.Confirm)
}

// Holds implements api.Operator.
func (b *Backend) Holds(ctx context.Context, repository string) ([]api.Hold, error) {
	r, err := b.Repository(ctx, repository)
	if err != nil {
		return nil, err
	}
	return r.Holds, nil
}

// PlaceHold implements api.Operator.
func (b *Backend) PlaceHold(_ context.Context, repository string, q api.HoldRequest) error {
	return b.act("hold %s %s in %s: %s", q.Plan, q.Source, repository, q.Reason)
}

// ReleaseHold implements api.Operator.
func (b *Backend) ReleaseHold(_ context.Context, repository, id, reason string) error {
	return b.act("release %s in %s: %s", id, repository, reason)
}

// Protect implements api.Operator.
func (b *Backend) Protect(_ context.Context, q api.ProtectRequest) (string, error) {
	return "run-protect", b.act("protect %s to %q as %q", strings.Join(q.What, ","), q.To, q.Name)
}

// CheckPlans implements api.Operator.
func (b *Backend) CheckPlans(context.Context) (string, error) {
	return "run-protect", b.act("check plans")
}

// TestNotify implements api.Operator.
func (b *Backend) TestNotify(_ context.Context, channel string) error {
	return b.act("test %s", channel)
}
