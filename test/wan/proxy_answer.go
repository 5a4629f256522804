package wan

import (
	"bytes"
	"context"
	"io"
	"maps"
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
	if err := p.keepAnswer(res); err != nil {
		return err
	}
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
	case ClockAhead:
		for _, name := range []string{"Date", "Last-Modified"} {
			if said, err := http.ParseTime(res.Header.Get(name)); err == nil {
				res.Header.Set(name, said.Add(Ahead).UTC().Format(http.TimeFormat))
			}
		}
	case WrongBytes:
		res.Body = &flipped{ReadCloser: res.Body, at: size / 2}
	}
	return nil
}

// keepAnswer keeps an answer that is to be remembered.
func (p *Proxy) keepAnswer(res *http.Response) error {
	uri := res.Request.URL.RequestURI()
	p.mu.Lock()
	wanted := p.remember != "" && strings.Contains(uri, p.remember)
	p.mu.Unlock()
	if !wanted || res.Request.Method != http.MethodGet || res.StatusCode != http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[uri] = answer{res.Header.Clone(), body}
	return nil
}

// answerAgain gives the remembered answer to a request, if there is one.
func (p *Proxy) answerAgain(w http.ResponseWriter, r *http.Request) bool {
	p.mu.Lock()
	a, ok := p.answers[r.URL.RequestURI()]
	p.mu.Unlock()
	if !ok || r.Method != http.MethodGet {
		return false
	}
	maps.Copy(w.Header(), a.header)
	w.Write(a.body) //nolint:errcheck // the client may be gone
	return true
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
