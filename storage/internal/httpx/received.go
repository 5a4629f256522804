package httpx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Received makes a reader of the answer to a request for the bytes of an
// object from offset on: exactly length of them, or, if length is negative, as
// many as the answer says. An answer that announces anything else is an error
// at once; it wraps io.ErrUnexpectedEOF when there is too little. What breaks
// off later fails with io.ErrUnexpectedEOF or with what explain makes of it.
// The body is closed in any case.
func Received(ctx context.Context, resp *http.Response, offset, length int64, explain func(error) error) (io.ReadCloser, error) {
	if err := checkRange(resp, offset, length); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return &received{ctx: ctx, body: resp.Body, left: resp.ContentLength, explain: explain}, nil
}

// checkRange holds what the service is about to send against what was asked.
func checkRange(resp *http.Response, offset, length int64) error {
	said := resp.Header.Get("Content-Range")
	switch got := resp.ContentLength; {
	case got < 0:
		return errors.New("the answer does not say how long it is")
	case said == "" && offset > 0:
		return errors.New("the service ignored the range that was asked for")
	case said != "" && !strings.HasPrefix(said, fmt.Sprintf("bytes %d-", offset)):
		return fmt.Errorf("the service answers with the range %q to one from byte %d on", said, offset)
	case length >= 0 && got < length:
		return fmt.Errorf("the object ends %d bytes too early: %w", length-got, io.ErrUnexpectedEOF)
	case length >= 0 && got > length:
		return fmt.Errorf("the service sends %d bytes instead of %d", got, length)
	}
	return nil
}

type received struct {
	ctx     context.Context // of the one Get that hands out this reader
	body    io.ReadCloser
	left    int64
	explain func(error) error
}

func (r *received) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	switch {
	case r.left == 0:
		return n, nil // what may come after the last byte does not matter
	case errors.Is(err, io.EOF):
		return n, io.ErrUnexpectedEOF
	default:
		return n, r.explain(err)
	}
}

func (r *received) Close() error {
	r.body.Close() // nothing of it matters any more
	return nil
}

// Nothing is a reader of no bytes.
func Nothing() io.ReadCloser { return nothing{} }

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, io.EOF }
func (nothing) Close() error             { return nil }
