package trace

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// closeLimit is how long the end of a process waits for spans to be delivered.
const closeLimit = 2 * time.Second

// maxText bounds one text of a span, in bytes: errors may list thousands of
// files.
const maxText = 4 << 10

// Options say where spans go. The variables of OpenTelemetry win over them.
type Options struct {
	// Endpoint is the URL of a collector, as OTEL_EXPORTER_OTLP_ENDPOINT has
	// it; "" for none.
	Endpoint string
	// Headers are sent along, written as in OTEL_EXPORTER_OTLP_HEADERS.
	Headers string
	// Version is that of the program.
	Version string
	// Warn is told when spans cannot be delivered, once until they are again.
	Warn func(error)
}

// Tracer sends spans to a collector. A nil Tracer does nothing.
type Tracer struct {
	exporter *exporter
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// Open returns a tracer, nil if nobody asks for traces. It does not look whether
// the collector is there.
func Open(o Options) (*Tracer, error) {
	s, err := readSettings(o)
	if s == nil || err != nil {
		return nil, err
	}
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	about, err := describe(o.Version)
	if err != nil {
		return nil, err
	}
	// The library has this one place to tell what is wrong with its own
	// variables; of spans that are not delivered the exporter tells.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		if !isDelivery(err) {
			o.Warn(err)
		}
	}))
	return newTracer(&exporter{settings: s, client: client, warn: o.Warn}, about, o.Version), nil
}

func newTracer(e *exporter, about *resource.Resource, version string) *Tracer {
	limits := sdk.NewSpanLimits()
	if limits.AttributeValueLengthLimit < 0 {
		limits.AttributeValueLengthLimit = maxText
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(e), sdk.WithResource(about), sdk.WithRawSpanLimits(limits))
	return &Tracer{e, provider, provider.Tracer("holdfast", trace.WithInstrumentationVersion(version))}
}

// describe says who sends spans; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
// win over it.
func describe(version string) (*resource.Resource, error) {
	own, err := resource.New(context.Background(), resource.WithHost(), resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "holdfast"), attribute.String("service.version", version)),
		resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("say who sends traces (OTEL_RESOURCE_ATTRIBUTES): %w", err)
	}
	return own, nil
}

type tracerKey struct{}

// Attach returns a context in which what is done is traced.
func (t *Tracer) Attach(ctx context.Context) context.Context {
	if t == nil {
		return ctx
	}
	return context.WithValue(ctx, tracerKey{}, t.tracer)
}

// Close delivers what is left, as far as that is quick.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	if t.provider.Shutdown(ctx) != nil && ctx.Err() != nil {
		t.exporter.tell(errSlow)
	}
}
