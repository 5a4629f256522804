package s3

import (
	"io"
	"net/http"
	"strings"
)

// transport mends what services do to connections.
type transport struct{ http.RoundTripper }

// RoundTrip sends one request. After a refused conditional write the
// connection is given up: MinIO closes it then, having read the body only in
// part, and does not say so; the request that took it next would fail.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusPreconditionFailed {
		return resp, err
	}
	resp.Body.Close() // unread, so the connection is not used again
	resp.Body = io.NopCloser(strings.NewReader(refusal))
	resp.ContentLength = int64(len(refusal))
	return resp, nil
}

// refusal is all that such an answer says.
const refusal = `<Error><Code>PreconditionFailed</Code><Message>the object exists already</Message></Error>`
