package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"holdfast/internal/config"
	"holdfast/internal/trace"
)

const (
	// hookGrace is how long a hook may take to end after it was killed, until
	// what it started is no longer waited for.
	hookGrace = 5 * time.Second
	// hookWhenInterrupted bounds hooks after a backup that was interrupted: who
	// interrupted it does not wait for long.
	hookWhenInterrupted = 20 * time.Second
)

// hooked does the work of a run between its hooks. If one of those before it
// fails there is no work; those after it run in any case.
func (p *planRun) hooked(ctx context.Context, work func(context.Context) error) error {
	h := p.plan.Hooks
	err := p.hooks(ctx, "before", h.Before, nil)
	if err == nil {
		err = work(ctx)
	}
	if err != nil && !isIncomplete(err) {
		err = errors.Join(err, p.hooks(ctx, "on_error", h.OnError, err))
	}
	if after := p.hooks(ctx, "after", h.After, err); after != nil {
		if err == nil { // the backup is there
			return errIncomplete(after)
		}
		err = errors.Join(err, after)
	}
	return err
}

// hooks runs the hooks of one moment. The first one that fails before a
// backup ends it; after it all of them run.
func (p *planRun) hooks(ctx context.Context, moment string, list []config.Hook, outcome error) error {
	var failures []error
	for _, hook := range list {
		started := time.Now()
		inner, span := trace.Start(ctx, "hook", slog.String("moment", moment), slog.String("command", hook.Command[0]))
		err := p.hook(inner, moment, hook, outcome)
		span.End(err)
		p.reporter.Phase(moment+" "+hook.Command[0], started, err)
		if err == nil {
			continue
		}
		failures = append(failures, fmt.Errorf("hook %s (%s): %w", moment, hook.Command[0], err))
		if moment == "before" {
			break
		}
	}
	return errors.Join(failures...)
}

// hook runs one command. What it prints goes to standard error: standard
// output is for the result. The end of it is part of why it failed.
func (p *planRun) hook(ctx context.Context, moment string, hook config.Hook, outcome error) error {
	timeout := time.Duration(hook.Timeout)
	if moment != "before" && ctx.Err() != nil {
		ctx, timeout = context.WithoutCancel(ctx), min(timeout, hookWhenInterrupted)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, hook.Command[0], hook.Command[1:]...)
	cmd.WaitDelay = hookGrace
	said := &lastLines{}
	cmd.Stdout = io.MultiWriter(p.streams.Err, said)
	cmd.Stderr = cmd.Stdout
	cmd.Env = append(os.Environ(), "HOLDFAST_HOOK="+moment, "HOLDFAST_PLAN="+p.name, "HOLDFAST_TYPE="+p.kind, "HOLDFAST_OUTCOME="+hookOutcome(moment, outcome))
	cmd.Env = append(cmd.Env, trace.Environment(ctx)...)
	if outcome != nil {
		cmd.Env = append(cmd.Env, "HOLDFAST_ERROR="+outcome.Error())
	}
	for name, value := range hook.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	err := cmd.Run()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("it took longer than %v, and was ended", timeout)
	}
	if text := said.String(); err != nil && text != "" {
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// hookOutcome is what a hook is told about the backup.
func hookOutcome(moment string, err error) string {
	switch {
	case moment == "before":
		return ""
	case err == nil:
		return "succeeded"
	case isIncomplete(err):
		return "partial"
	}
	return "failed"
}

// isIncomplete tells whether an error is of work that was done all the same.
func isIncomplete(err error) bool {
	var coded *codeError
	return errors.As(err, &coded) && coded.code == exitIncomplete
}
