package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"holdfast/storage"
)

// mimeV2 asks for lists with sizes. A server that does not know it answers
// with names alone.
const mimeV2 = "application/vnd.x.restic.rest.v2"

// request prepares a request for something below the URL.
func (s *Store) request(ctx context.Context, method, name string) *http.Request {
	u := s.options.URL
	u.Path += name
	u.RawPath = ""
	req := &http.Request{
		Method: method, URL: &u, Host: u.Host, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	req.Header.Set("Accept", mimeV2)
	req.Header.Set("User-Agent", "holdfast")
	if s.options.User != "" || s.options.Password != "" {
		req.SetBasicAuth(s.options.User, s.options.Password)
	}
	return req.WithContext(ctx)
}

// send sends a request and returns an answer that says that all is well. No
// redirection is followed: it would hand the password to somebody else.
func (s *Store) send(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		if cerr := req.Context().Err(); cerr != nil && !errors.Is(err, cerr) {
			err = fmt.Errorf("%w: %w", cerr, err)
		}
		return nil, err
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, s.failure(req.Method, resp)
}

// statusError is an answer other than "all is well".
type statusError struct {
	status int
	text   string // the server's words
	size   string // Content-Range of a refused range, for its end
	kind   error  // sentinel, or nil
	hint   string
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("the server answers %d %s", e.status, http.StatusText(e.status))
	if e.text != "" && e.text != http.StatusText(e.status) {
		text += " (" + e.text + ")"
	}
	if e.hint != "" {
		text += ": " + e.hint
	}
	return text
}

func (e *statusError) Unwrap() error { return e.kind }

// failure makes an error of an answer.
func (s *Store) failure(method string, resp *http.Response) error {
	e := &statusError{status: resp.StatusCode, text: words(resp), size: resp.Header.Get("Content-Range")}
	switch resp.StatusCode {
	case http.StatusNotFound:
		e.kind = storage.ErrNotFound
	case http.StatusUnauthorized:
		e.kind = fs.ErrPermission
		e.hint = "user name and password are wrong, or not for this place; set HOLDFAST_REST_USERNAME and HOLDFAST_REST_PASSWORD"
	case http.StatusForbidden:
		e.kind = fs.ErrPermission
		if method == http.MethodDelete {
			e.hint = "the server is append-only, or does not let this user delete; run forget and prune where it may be done, such as on the server itself"
		}
	case http.StatusInsufficientStorage:
		e.kind = storage.ErrFull
	case http.StatusRequestedRangeNotSatisfiable:
		e.kind = storage.ErrInvalidRange
	case http.StatusRequestEntityTooLarge:
		e.kind = storage.ErrUnsupported
		e.hint = "something before the server refuses objects of this size; allow 150 MiB there (nginx: client_max_body_size)"
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		e.kind = storage.ErrUnsupported
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		e.kind = storage.ErrUnsupported
		e.hint = fmt.Sprintf("the place is elsewhere now (%s); use that URL", withoutSecrets(resp))
	}
	return e
}

// words returns what the server says in plain text, if that is short.
func words(resp *http.Response) string {
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		return ""
	}
	const longest = 200
	text, _ := io.ReadAll(io.LimitReader(resp.Body, longest))
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return strings.ToValidUTF8(line, "?")
}

func withoutSecrets(resp *http.Response) string {
	u, err := resp.Location()
	if err != nil {
		return "the server does not say where"
	}
	return u.Redacted()
}

func isStatus(err error, codes ...int) bool {
	var e *statusError
	if !errors.As(err, &e) {
		return false
	}
	for _, code := range codes {
		if e.status == code {
			return true
		}
	}
	return false
}
