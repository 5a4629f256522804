package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// Problem is why a request was not served, as RFC 9457 has it.
type Problem struct {
	// Type names the kind of problem and does not change.
	Type string `json:"type"`
	// Title says it in words, Detail what happened, Next what to do about it.
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Next   string `json:"next,omitempty"`
	// Command is what does it on the command line.
	Command []string `json:"command,omitempty"`
}

var (
	errMedia  = errors.New("the body is of another kind")
	errMethod = errors.New("this method is not for this address")
	errBusy   = errors.New("too much is under way")
)

const problemPrefix = "urn:holdfast:problem:"

// problemOf returns what a client is told of an error.
func problemOf(err error) *Problem {
	here, many := (*HereError)(nil), (*TooManyError)(nil)
	p := &Problem{Status: http.StatusInternalServerError, Type: "failed", Title: "something failed here", Next: "look into the log of the service"}
	switch {
	case errors.As(err, &here):
		p = &Problem{Status: http.StatusConflict, Type: "only-here", Title: "the service does not do this", Next: "run the command on the machine of the service", Command: here.Command}
	case errors.As(err, &many):
		p = &Problem{Status: http.StatusTooManyRequests, Type: "too-many", Title: "too many requests", Next: "wait as long as Retry-After says"}
	case errors.Is(err, ErrUnauthenticated):
		p = &Problem{Status: http.StatusUnauthorized, Type: "unauthenticated", Title: "it is not known who asks", Next: "send a token: Authorization: Bearer TOKEN; `holdfast token create` makes one"}
	case errors.Is(err, ErrForbidden):
		p = &Problem{Status: http.StatusForbidden, Type: "forbidden", Title: "not allowed", Next: "use a token with another role"}
	case errors.Is(err, ErrForeign):
		p = &Problem{Status: http.StatusForbidden, Type: "foreign", Title: "not from a page of this session", Next: "load the page again"}
	case errors.Is(err, errHost):
		p = &Problem{Status: http.StatusMisdirectedRequest, Type: "host", Title: "asked under a name that is not known", Next: "ask for an address, or add the name to service.hosts"}
	case errors.Is(err, errTooLong):
		p = &Problem{Status: http.StatusRequestEntityTooLarge, Type: "too-long", Title: "the request is too long", Next: "send less"}
	case errors.Is(err, errMedia):
		p = &Problem{Status: http.StatusUnsupportedMediaType, Type: "media", Title: "the body is not JSON", Next: "send JSON"}
	case errors.Is(err, errMethod):
		p = &Problem{Status: http.StatusMethodNotAllowed, Type: "method", Title: "not with this method", Next: "see Allow"}
	case errors.Is(err, errBusy):
		p = &Problem{Status: http.StatusServiceUnavailable, Type: "busy", Title: "too much is under way", Next: "try again later"}
	case errors.Is(err, ErrNotFound):
		p = &Problem{Status: http.StatusNotFound, Type: "not-found", Title: "there is nothing of that name", Next: "list what there is"}
	case errors.Is(err, ErrInvalid):
		p = &Problem{Status: http.StatusBadRequest, Type: "invalid", Title: "the request makes no sense", Next: "see /api/v1/openapi.json"}
	case errors.Is(err, ErrConflict):
		p = &Problem{Status: http.StatusConflict, Type: "conflict", Title: "not as things are now", Next: "look at how things are, and ask again"}
	case errors.Is(err, ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		p = &Problem{Status: http.StatusServiceUnavailable, Type: "unavailable", Title: "not available now", Next: "try again later"}
	}
	p.Type = problemPrefix + p.Type
	p.Detail = err.Error()
	return p
}

// refuse answers with a problem.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	refuseWith(w, r, err, nil)
}

// refuseWith answers with a problem: in JSON, or for who asks for a page with
// what show makes of it, if there is one.
func refuseWith(w http.ResponseWriter, r *http.Request, err error, show func(http.ResponseWriter, *http.Request, *Problem)) {
	p := problemOf(err)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="holdfast"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		wait := 5
		if many := (*TooManyError)(nil); errors.As(err, &many) {
			wait = many.seconds()
		}
		h.Set("Retry-After", strconv.Itoa(wait))
	}
	if show != nil && !strings.HasPrefix(r.URL.Path, Prefix+"/") && strings.Contains(r.Header.Get("Accept"), "text/html") {
		show(w, r, p)
		return
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // who is gone needs no answer
}
