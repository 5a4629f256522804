package trace

import (
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/protobuf/encoding/protowire"
)

// Spans are written as an ExportTraceServiceRequest of opentelemetry-proto 1.x,
// field by field: the types that are generated from it would be made known to
// the whole program before main begins. See docs/decisions/0029.

// message is a protobuf message in the making.
type message []byte

func (m *message) bytes(field protowire.Number, v []byte) {
	if len(v) > 0 {
		*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), v)
	}
}

func (m *message) text(field protowire.Number, v string) { m.bytes(field, []byte(v)) }

// within adds a message of which it is known that it is there, even if empty.
func (m *message) within(field protowire.Number, v message) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), v)
}

func (m *message) number(field protowire.Number, v uint64) {
	if v != 0 {
		*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), v)
	}
}

func (m *message) time(field protowire.Number, t time.Time) {
	*m = protowire.AppendFixed64(protowire.AppendTag(*m, field, protowire.Fixed64Type), uint64(t.UnixNano())) //nolint:gosec // after 1970
}

// encode returns the request that delivers spans. All are of one process, and
// of one tracer.
func encode(spans []sdk.ReadOnlySpan) []byte {
	if len(spans) == 0 {
		return nil
	}
	var resource, scope, scopeSpans, resourceSpans, request message
	for _, a := range spans[0].Resource().Attributes() {
		resource.within(1, keyValue(a))
	}
	from := spans[0].InstrumentationScope()
	scope.text(1, from.Name)
	scope.text(2, from.Version)
	scopeSpans.within(1, scope)
	for _, s := range spans {
		scopeSpans.within(2, encodeSpan(s))
	}
	resourceSpans.within(1, resource)
	resourceSpans.within(2, scopeSpans)
	resourceSpans.text(3, spans[0].Resource().SchemaURL())
	request.within(1, resourceSpans)
	return request
}

func encodeSpan(s sdk.ReadOnlySpan) message {
	var m message
	own, parent := s.SpanContext(), s.Parent()
	traceID, spanID := own.TraceID(), own.SpanID()
	m.bytes(1, traceID[:])
	m.bytes(2, spanID[:])
	m.text(3, own.TraceState().String())
	flags := uint32(own.TraceFlags()) | flagKnown
	if parent.SpanID().IsValid() {
		id := parent.SpanID()
		m.bytes(4, id[:])
	}
	if parent.IsRemote() {
		flags |= flagRemote
	}
	m.text(5, s.Name())
	m.number(6, uint64(s.SpanKind())) //nolint:gosec // 1 and more; both count alike
	m.time(7, s.StartTime())
	m.time(8, s.EndTime())
	for _, a := range s.Attributes() {
		m.within(9, keyValue(a))
	}
	m.number(10, uint64(s.DroppedAttributes())) //nolint:gosec // not negative
	var status message
	status.text(2, s.Status().Description)
	switch s.Status().Code {
	case codes.Error:
		status.number(3, 2)
	case codes.Ok:
		status.number(3, 1)
	}
	m.bytes(15, status)
	return protowire.AppendFixed32(protowire.AppendTag(m, 16, protowire.Fixed32Type), flags)
}

// The flags of a span beside those of the trace context: whether its parent is
// in another process, and that this is known.
const (
	flagKnown  = 1 << 8
	flagRemote = 1 << 9
)

func keyValue(a attribute.KeyValue) message {
	var m, value message
	switch a.Value.Type() {
	case attribute.BOOL:
		value = protowire.AppendVarint(protowire.AppendTag(value, 2, protowire.VarintType), protowire.EncodeBool(a.Value.AsBool()))
	case attribute.INT64:
		value = protowire.AppendVarint(protowire.AppendTag(value, 3, protowire.VarintType), uint64(a.Value.AsInt64())) //nolint:gosec // two's complement
	case attribute.FLOAT64:
		value = protowire.AppendFixed64(protowire.AppendTag(value, 4, protowire.Fixed64Type), math.Float64bits(a.Value.AsFloat64()))
	default:
		value.within(1, message(a.Value.String()))
	}
	m.text(1, string(a.Key))
	m.within(2, value)
	return m
}
