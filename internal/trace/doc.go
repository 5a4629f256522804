// Package trace tells a collector of OpenTelemetry what holdfast does, and how
// long each part of it takes: runs, the parts of commands, requests of the API.
//
// It is off unless the standard variables, such as OTEL_EXPORTER_OTLP_ENDPOINT,
// or service.traces of holdfast.yaml name a collector. A context carries the
// tracer and the span that is under way; where it carries none, Start and all
// that follows from it do nothing.
//
// Nothing waits for a collector: spans that ended go into a bounded queue, those
// that do not fit are dropped, and the end of a process waits for what is left
// no longer than closeLimit. What a span says is what the log may say, too: names,
// figures and reasons, and no secrets.
package trace
