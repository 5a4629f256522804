package wan

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
)

type faultKey struct{}

// withFault has answer know the fault of a request.
func withFault(ctx context.Context, f Fault) context.Context {
	return context.WithValue(ctx, faultKey{}, f)
}

// answer does to an answer what the fault of its request wants.
func (p *Proxy) answer(res *http.Response) error {
	fault, _ := res.Request.Context().Value(faultKey{}).(Fault)
	size := max(0, res.ContentLength)
	cut := func(end func() error) {
		res.Body = &half{body: res.Body, left: size / 2, end: end}
	}
	switch fault {
	case LostAnswer:
		discard(res)
		const text = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>InternalError</Code><Message>lost</Message></Error>`
		res.StatusCode, res.Status = http.StatusInternalServerError, "500 Internal Server Error"
		res.Header = http.Header{"Content-Type": {"application/xml"}}
		setBody(res, text)
	case ResetDone:
		discard(res)
		return errCut // the error handler ends the connection
	case StallDone:
		discard(res)
		p.hold(res.Request)
		return errCut
	case CutBody:
		cut(func() error { return errCut })
	case StallBody:
		cut(func() error {
			p.hold(res.Request)
			return errCut
		})
	case ShortBody:
		cut(func() error { return io.EOF })
		res.ContentLength = size / 2
		res.Header.Set("Content-Length", strconv.FormatInt(size/2, 10))
	case WrongBytes:
		res.Body = &flipped{ReadCloser: res.Body, at: size / 2}
	}
	return nil
}

func discard(res *http.Response) {
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
}

func setBody(res *http.Response, text string) {
	res.Body = io.NopCloser(strings.NewReader(text))
	res.ContentLength = int64(len(text))
	res.Header.Set("Content-Length", strconv.Itoa(len(text)))
}

// half is the first part of a body, which then ends in its own way.
type half struct {
	body io.ReadCloser
	left int64
	end  func() error
}

func (h *half) Read(p []byte) (int, error) {
	if h.left == 0 {
		return 0, h.end()
	}
	n, err := h.body.Read(p[:min(int64(len(p)), h.left)])
	h.left -= int64(n)
	return n, err
}

func (h *half) Close() error { return h.body.Close() }

// flipped is a body with one wrong bit.
type flipped struct {
	io.ReadCloser
	at int64 // counts down to the wrong byte
}

func (f *flipped) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if 0 <= f.at && f.at < int64(n) {
		p[f.at] ^= 0x10
	}
	f.at -= int64(n)
	return n, err
}
