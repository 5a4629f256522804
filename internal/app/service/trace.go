package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/trace"
)

// TracesTo returns where a configuration has the traces of the service and its
// runs go, and the headers that are a secret, as trace.Options has them.
func TracesTo(ctx context.Context, cfg *config.Config) (endpoint, headers string, err error) {
	to := cfg.Service.Traces
	if to.Headers.IsZero() {
		return to.Endpoint, "", nil
	}
	secret, err := to.Headers.Resolve(ctx)
	if err != nil {
		return "", "", fmt.Errorf("service.traces: headers: %w", err)
	}
	return to.Endpoint, secret.Reveal(), nil
}

// openTracer returns the tracer of a service; nil if nobody asks for traces, or
// not rightly: nothing is left undone for that.
func openTracer(ctx context.Context, o *Options, cfg *config.Config) *trace.Tracer {
	warn := func(err error) { o.Log.Warn("traces are not complete", "error", err) }
	to := trace.Options{Version: o.Version, Warn: warn}
	var err error
	if to.Endpoint, to.Headers, err = TracesTo(ctx, cfg); err != nil {
		warn(err)
	}
	tracer, err := trace.Open(to)
	if err != nil {
		warn(err)
	}
	return tracer
}

// traceRun begins the span of a run, which says what the log says when it begins.
func traceRun(ctx context.Context, t controller.Task) (context.Context, trace.Span) {
	return trace.Start(ctx, "run "+string(t.Job.Kind),
		slog.String("run", t.ID), slog.String("job", t.Job.ID), slog.String("plan", cmp.Or(t.Plan, t.Job.Plan)),
		slog.String("repository", cmp.Or(t.Repository, t.Job.Repository)), slog.String("source", t.Source),
		slog.String("type", t.Variant), slog.String("trigger", string(t.Trigger)), slog.Int("attempt", t.Attempt))
}

// endRun ends the span of a run, with what the history says of it.
func endRun(span trace.Span, r controller.Result) {
	span.Set(slog.String("outcome", string(r.Outcome)))
	for name, figure := range map[string]uint64{"bytes": r.Bytes, "added_bytes": r.Added, "files": r.Files, "snapshots": uint64(len(r.Snapshots))} {
		if figure > 0 { // not every kind of run counts them all
			span.Set(slog.Uint64(name, figure))
		}
	}
	var err error
	if !r.Outcome.Good() {
		err = errors.New(cmp.Or(r.Reason, string(r.Outcome)))
	}
	span.End(err)
}
