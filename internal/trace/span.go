package trace

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Span is a part of what is done, with its beginning and end. That of something
// that is not traced does nothing.
type Span struct{ span trace.Span }

// Start begins a part of what ctx is about. What is said of it, here and with
// Set, has names of holdfast's own unless they have a dot. The caller ends it.
func Start(ctx context.Context, name string, about ...slog.Attr) (context.Context, Span) {
	return start(ctx, name, about)
}

func start(ctx context.Context, name string, about []slog.Attr, how ...trace.SpanStartOption) (context.Context, Span) {
	t, ok := ctx.Value(tracerKey{}).(trace.Tracer)
	if !ok {
		return ctx, Span{}
	}
	ctx, span := t.Start(ctx, name, append(how, trace.WithAttributes(attributes(about)...))...)
	return ctx, Span{span}
}

// Record tells of a part that is over.
func Record(ctx context.Context, name string, began time.Time, took time.Duration, failure string, about ...slog.Attr) {
	_, s := start(ctx, name, about, trace.WithTimestamp(began))
	if s.span == nil {
		return
	}
	s.fail(failure)
	s.span.End(trace.WithTimestamp(began.Add(took)))
}

// Say says more of what is under way in ctx.
func Say(ctx context.Context, about ...slog.Attr) {
	Span{trace.SpanFromContext(ctx)}.Set(about...)
}

// Set says more of it.
func (s Span) Set(about ...slog.Attr) {
	if s.span != nil {
		s.span.SetAttributes(attributes(about)...)
	}
}

// End ends it; err says why it failed, nil that it did not.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.fail(err.Error())
	}
	s.span.End()
}

func (s Span) fail(why string) {
	if why != "" {
		s.span.SetStatus(codes.Error, clip(why))
	}
}

func clip(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "")
}

// attributes are what the library calls them; what is empty says nothing.
func attributes(about []slog.Attr) []attribute.KeyValue {
	list := make([]attribute.KeyValue, 0, len(about))
	for _, a := range about {
		key := a.Key
		if !strings.Contains(key, ".") {
			key = "holdfast." + key
		}
		switch v := a.Value; v.Kind() {
		case slog.KindInt64:
			list = append(list, attribute.Int64(key, v.Int64()))
		case slog.KindUint64:
			list = append(list, attribute.Int64(key, int64(v.Uint64()))) //nolint:gosec // no size is larger
		case slog.KindFloat64:
			list = append(list, attribute.Float64(key, v.Float64()))
		case slog.KindBool:
			list = append(list, attribute.Bool(key, v.Bool()))
		default:
			if text := v.String(); text != "" {
				list = append(list, attribute.String(key, text))
			}
		}
	}
	return list
}
