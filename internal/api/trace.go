package api

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"

	"holdfast/internal/trace"
)

// traced begins the span of a request, in the words that OpenTelemetry has for
// HTTP. What is followed for as long as somebody looks has none.
func traced(o *Operation, w http.ResponseWriter, r *http.Request) (*http.Request, func()) {
	if o.Media == "text/event-stream" {
		return r, func() {}
	}
	r, span := trace.StartRequest(r, o.ID, slog.String("http.request.method", o.Method), slog.String("http.route", Prefix+o.Path))
	return r, func() {
		status := http.StatusOK
		if a, ok := w.(*answerer); ok {
			status = cmp.Or(a.status, http.StatusOK)
		}
		span.Set(slog.Int("http.response.status_code", status))
		var err error
		if status >= http.StatusInternalServerError {
			err = errors.New(http.StatusText(status))
		}
		span.End(err)
	}
}
