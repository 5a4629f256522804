package trace

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// errSlow is why spans are lost that were left at the end.
var errSlow = fmt.Errorf("no answer within %v", closeLimit)

// exporter posts spans to a collector, as the specification has it (OTLP/HTTP).
// The library calls it for one batch after the other.
type exporter struct {
	settings *settings
	client   *http.Client
	warn     func(error)
	// told says that the last batch was not delivered, and that this was told.
	told atomic.Bool
}

var _ sdk.SpanExporter = (*exporter)(nil)

const (
	// attempts bounds how often a batch is posted; the timeout bounds them all.
	attempts     = 4
	firstBackoff = 250 * time.Millisecond
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 4 << 10
)

// deliveryError says that spans are lost. Where to is told by host alone: a URL
// may hold a secret.
type deliveryError struct {
	host string
	err  error
}

func (e *deliveryError) Error() string {
	return fmt.Sprintf("traces do not reach %s, and are dropped: %v", e.host, e.err)
}
func (e *deliveryError) Unwrap() error { return e.err }

func isDelivery(err error) bool {
	var d *deliveryError
	return errors.As(err, &d)
}

// ExportSpans implements sdk.SpanExporter. What cannot be delivered is dropped.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	ctx, cancel := context.WithTimeout(ctx, e.settings.timeout)
	defer cancel()
	err := e.post(ctx, encode(spans))
	if err == nil {
		e.told.Store(false)
		return nil
	}
	return e.tell(err)
}

// tell tells once that spans are lost.
func (e *exporter) tell(err error) error {
	err = &deliveryError{hostOf(e.settings.url), withoutURL(err)}
	if e.told.CompareAndSwap(false, true) {
		e.warn(err)
	}
	return err
}

// Shutdown implements sdk.SpanExporter.
func (e *exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the collector"
	}
	return u.Host
}

func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// post delivers a body; a collector that is busy is asked again.
func (e *exporter) post(ctx context.Context, body []byte) error {
	if e.settings.compressed {
		var small bytes.Buffer
		z := gzip.NewWriter(&small)
		z.Write(body) //nolint:errcheck // memory takes all
		z.Close()     //nolint:errcheck // see above
		body = small.Bytes()
	}
	backoff := firstBackoff
	for attempt := 1; ; attempt++ {
		wait, err := e.try(ctx, body)
		if err == nil || wait < 0 || attempt == attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(max(wait, backoff)):
		}
		backoff *= 2
	}
}

// try posts a body once. After an error it returns how long to wait before the
// next try, negative for never.
func (e *exporter) try(ctx context.Context, body []byte) (wait time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.settings.url, bytes.NewReader(body))
	if err != nil {
		return -1, err
	}
	r.Header = e.settings.headers.Clone()
	r.Header.Set("Content-Type", "application/x-protobuf")
	if e.settings.compressed {
		r.Header.Set("Content-Encoding", "gzip")
	}
	answer, err := e.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()                                   //nolint:errcheck // only read
	io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer)) //nolint:errcheck // so that the connection serves again
	switch answer.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return 0, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After")) //nolint:errcheck // then it says nothing
		return time.Duration(max(seconds, 0)) * time.Second, fmt.Errorf("it answered %s", answer.Status)
	}
	return -1, fmt.Errorf("it answered %s", answer.Status)
}
