package wan

import (
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Fault is something that goes wrong with a request.
type Fault string

// The faults.
const (
	// SlowDown is S3's answer to too many requests: 503, and nothing done.
	SlowDown Fault = "503 SlowDown"
	// ServerError is a 500, and nothing done.
	ServerError Fault = "500 InternalError"
	// LostAnswer is a 500 after the request was done.
	LostAnswer Fault = "500 after the request was done"
	// Reset ends the connection, and nothing done.
	Reset Fault = "reset"
	// ResetDone ends the connection after the request was done.
	ResetDone Fault = "reset after the request was done"
	// CutUpload ends the connection in the middle of the request's body.
	CutUpload Fault = "request cut"
	// CutBody ends the connection in the middle of the answer's body.
	CutBody Fault = "answer cut"
	// ShortBody answers with half of the body and a Content-Length to match:
	// HTTP sees nothing wrong.
	ShortBody Fault = "answer shorter than asked for"
	// WrongBytes flips a bit in the middle of the answer's body.
	WrongBytes Fault = "wrong bytes"
	// Stall never answers.
	Stall Fault = "stall before the answer"
	// StallDone never answers, but the request was done.
	StallDone Fault = "stall after the request was done"
	// StallBody stops in the middle of the answer's body.
	StallBody Fault = "stall in the answer"
	// WrongUpload flips a bit in the middle of the request's body.
	WrongUpload Fault = "wrong bytes in the request"
	// OldAnswer answers what the same request was answered before, if the proxy
	// was to remember it.
	OldAnswer Fault = "old answer"
	// ClockAhead dates the answer by a clock that is ahead by Ahead.
	ClockAhead Fault = "clock ahead"
)

// Ahead is how far the clock of ClockAhead is ahead.
const Ahead = time.Hour

// Rule says which requests meet which fault.
type Rule struct {
	Fault  Fault
	Method string  // only this one; "" is any
	Path   string  // only where this is a part of the path and query
	Share  float64 // the part of these requests; 0 is all
	Skip   int     // so many of them pass first
	Count  int     // so many faults at most; 0 is no bound
}

// Proxy is an HTTP server that hands requests on to another one.
type Proxy struct {
	handler  http.Handler
	server   *http.Server
	listener net.Listener
	done     chan struct{}

	mu       sync.Mutex
	random   *rand.Rand
	rules    []*state
	requests map[string]int
	injected map[Fault]int
	remember string            // requests with this in their path or query
	answers  map[string]answer // by path and query
	stopped  chan struct{}
}

// answer is what a request was answered.
type answer struct {
	header http.Header
	body   []byte
}

// state is a rule and what it has seen.
type state struct {
	Rule
	seen, met int
}

// NewProxy puts a proxy before the server at target, "http://host:port". The
// seed decides which requests meet a fault. The caller closes it.
func NewProxy(target string, seed uint64, rules ...Rule) (*Proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("making a proxy: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("making a proxy: %w", err)
	}
	p := &Proxy{
		listener: listener,
		done:     make(chan struct{}),
		stopped:  make(chan struct{}),
		random:   rand.New(rand.NewPCG(seed, 0)),
		requests: make(map[string]int),
		injected: make(map[Fault]int),
		answers:  make(map[string]answer),
	}
	p.Set(rules...)
	p.handler = p.reverse(to)
	p.server = &http.Server{Handler: http.HandlerFunc(p.serve), ErrorLog: log.New(io.Discard, "", 0)}
	go func() {
		defer close(p.done)
		_ = p.server.Serve(listener) // returns when closed
	}()
	return p, nil
}

// Address is where the proxy listens, "host:port".
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// URL is where the proxy listens, "http://host:port".
func (p *Proxy) URL() string { return "http://" + p.Address() }

// Set replaces the rules; the first that applies to a request counts.
func (p *Proxy) Set(rules ...Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
	for _, r := range rules {
		p.rules = append(p.rules, &state{Rule: r})
	}
}

// Remember keeps the answers to GET requests whose path or query has a part,
// for OldAnswer.
func (p *Proxy) Remember(part string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remember = part
}

// Requests returns how many requests came, by method.
func (p *Proxy) Requests() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.requests)
}

// Injected returns how many requests met each fault.
func (p *Proxy) Injected() map[Fault]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.injected)
}

// Close ends all connections.
func (p *Proxy) Close() error {
	close(p.stopped)
	err := p.server.Close()
	<-p.done
	return err
}

// reverse hands requests on as they are, the Host that is part of signatures
// included, and answers as they come.
func (p *Proxy) reverse(to *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
		},
		Transport:      &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true},
		ErrorLog:       log.New(io.Discard, "", 0),
		FlushInterval:  -1, // half of an answer must arrive, too
		ModifyResponse: p.answer,
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
}

// choose counts a request and returns the fault it meets, or "".
func (p *Proxy) choose(r *http.Request) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests[r.Method]++
	for _, s := range p.rules {
		if s.Method != "" && s.Method != r.Method || !strings.Contains(r.URL.RequestURI(), s.Path) {
			continue
		}
		s.seen++
		if s.seen <= s.Skip || s.Count > 0 && s.met >= s.Count || s.Share > 0 && p.random.Float64() >= s.Share {
			continue
		}
		s.met++
		p.injected[s.Fault]++
		return s.Fault
	}
	return ""
}

// serve does to a request what its fault wants before or instead of handing
// it on; answer does the rest.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	fault := p.choose(r)
	switch fault {
	case SlowDown:
		refuse(w, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
		return
	case ServerError:
		refuse(w, http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again.")
		return
	case Reset:
		resetClient(w)
		return
	case Stall:
		p.hold(r)
		resetClient(w)
		return
	case OldAnswer:
		if p.answerAgain(w, r) {
			return
		}
	case WrongUpload:
		r.Body = &flipped{ReadCloser: r.Body, at: max(0, r.ContentLength/2)}
	case CutUpload:
		r.Body = &half{body: r.Body, left: max(0, r.ContentLength/2), end: func() error { return errCut }}
	}
	p.handler.ServeHTTP(w, r.WithContext(withFault(r.Context(), fault)))
}

// refuse answers with an error as S3 words it.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, message)
}

// hold waits until the client gives up.
func (p *Proxy) hold(r *http.Request) {
	// The server notices a client that goes away once the body is read.
	_, _ = io.Copy(io.Discard, r.Body)
	select {
	case <-r.Context().Done():
	case <-p.stopped:
	}
}

// resetClient ends the connection of a request.
func resetClient(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	reset(conn)
}

var errCut = errors.New("wan: cut")
