package trace

import (
	"context"
	"log/slog"
	"net/http"
	"os"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// The variables by which a process is told of which trace it is part, and the
// header fields that say it to a service: https://www.w3.org/TR/trace-context/.
const (
	EnvParent = "TRACEPARENT"
	envState  = "TRACESTATE"

	parentField = "traceparent"
	stateField  = "tracestate"
)

// Join returns a context that is part of the trace that the environment of this
// process names, if it does.
func Join(ctx context.Context) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{
		parentField: os.Getenv(EnvParent), stateField: os.Getenv(envState),
	})
}

// Environment returns variables for a process that does a part of what ctx is
// about; none if that is not traced.
func Environment(ctx context.Context) []string {
	said := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, said)
	if said[parentField] == "" {
		return nil
	}
	return []string{EnvParent + "=" + said[parentField], envState + "=" + said[stateField]}
}

// StartRequest begins what a request asks for, which may be part of a trace of
// whoever asks.
func StartRequest(r *http.Request, name string, about ...slog.Attr) (*http.Request, Span) {
	ctx := r.Context()
	if _, ok := ctx.Value(tracerKey{}).(trace.Tracer); !ok {
		return r, Span{}
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	ctx, s := start(ctx, name, about, trace.WithSpanKind(trace.SpanKindServer))
	return r.WithContext(ctx), s
}
