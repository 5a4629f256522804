package api

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"holdfast/internal/event"
)

// Errors of the guard.
var (
	// ErrUnauthenticated says that it is not known who asks.
	ErrUnauthenticated = errors.New("it is not known who asks: log in, or send a token")

	errHost    = errors.New("this service is not known under the name that was asked for")
	errTooLong = errors.New("the request is too long")
)

const (
	// maxBody bounds the body of a request, maxStranger that of one of which
	// it is not known who sends it, bodyLimit how long it may take to come.
	maxBody     = 1 << 20
	maxStranger = 16 << 10
	bodyLimit   = 20 * time.Second
	// headLimit and idleLimit are for connections, maxHead for the head of a
	// request.
	headLimit = 10 * time.Second
	idleLimit = 2 * time.Minute
	maxHead   = 32 << 10
)

// GuardOptions say how to guard a service.
type GuardOptions struct {
	// StateDir is the folder of the service's state: tokens, sessions and the
	// audit log are in it.
	StateDir string
	// Hosts are names and addresses, with or without a port, under which the
	// service is asked, beside those of this machine.
	Hosts []string
	Log   *slog.Logger
	// Events are told of tokens that come and go, and of guessing; nil for
	// nobody.
	Events event.Sink
	// Now is the clock, nil for the machine's.
	Now func() time.Time
}

// Guard decides who asks and what they may, for all handlers of the service.
// It is safe for concurrent use.
type Guard struct {
	tokens     *Tokens
	sessions   *sessions
	hosts      hosts
	audit      *audit
	seen       *folded
	origin     *http.CrossOriginProtection
	principals *limiters
	acts       *limiters
	strangers  *limiters
	failures   *limiters
	alarms     *limiters
	log        *slog.Logger
	events     event.Sink
	now        func() time.Time
	show       func(w http.ResponseWriter, r *http.Request, p *Problem)
}

// ShowRefusals has show make the pages that tell browsers what the guard itself
// refuses, with the status of the problem; programs get it in JSON. It is for
// before the first request.
func (g *Guard) ShowRefusals(show func(w http.ResponseWriter, r *http.Request, p *Problem)) {
	g.show = show
}

// NewGuard opens what the state folder knows of tokens and sessions.
func NewGuard(o GuardOptions) (*Guard, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Events == nil {
		o.Events = event.Sinks{}
	}
	g := &Guard{
		tokens:     OpenTokens(o.StateDir),
		sessions:   openSessions(filepath.Join(o.StateDir, "sessions.json"), o.Log, o.Now),
		hosts:      knownHosts(o.Hosts),
		audit:      &audit{dir: filepath.Join(o.StateDir, "audit"), log: o.Log},
		origin:     http.NewCrossOriginProtection(),
		principals: newLimiters(principalRate, principalBurst, o.Now),
		acts:       newLimiters(actRate, actBurst, o.Now),
		strangers:  newLimiters(strangerRate, strangerBurst, o.Now),
		failures:   newLimiters(rate.Every(failureEvery), failureBurst, o.Now),
		alarms:     newLimiters(rate.Every(time.Hour), 1, o.Now),
		log:        o.Log, events: o.Events, now: o.Now,
	}
	g.seen = newFolded(g.audit, o.Now)
	g.tokens.log, g.tokens.now, g.tokens.changed = o.Log, o.Now, g.tellTokens
	if err := g.tokens.refresh(); err != nil {
		return nil, err
	}
	return g, nil
}

// Close ends it.
func (g *Guard) Close() error {
	g.seen.flush()
	return g.audit.close()
}

// FirstToken makes the token of an administrator on the first run and returns
// its secret, to be shown once; "" on all others.
func (g *Guard) FirstToken() (string, error) { return g.tokens.first() }

// NewHTTPServer returns a server with limits for what clients may hold up.
// What a request may take altogether Guard.Middleware sees to.
func NewHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headLimit, IdleTimeout: idleLimit, MaxHeaderBytes: maxHead,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Middleware is for all that the service serves: it finds out who asks
// (PrincipalOf), refuses what is too much, too long, forged or meant for somebody
// else, sets the headers that protect pages, and writes down what was done. It lets
// in strangers, too: see Require.
func (g *Guard) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &answerer{ResponseWriter: w}
		protectPage(answer)
		a := &asking{}
		err := g.admit(answer, r, a)
		if err != nil {
			refuseWith(answer, unread(r), err, g.show)
			if many := (*TooManyError)(nil); !errors.As(err, &many) { // what would push all else out of the log
				g.writeDown(answer, r, a)
			}
			return
		}
		if followsLink(r, a) {
			goOn(answer, r)
			return
		}
		ctx := context.WithValue(r.Context(), askingKey{}, a)
		if a.principal.Role != Nobody {
			ctx = WithPrincipal(ctx, a.principal)
		}
		defer g.writeDown(answer, r, a)
		next.ServeHTTP(answer, r.WithContext(ctx))
	})
}

// OfThisService lets a handler serve requests to a name that the service is
// known under, from whomever they are: see GuardOptions.Hosts.
func (g *Guard) OfThisService(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := g.hosts.check(r); err != nil {
			refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// unread is a request of whose body no more is read.
func unread(r *http.Request) *http.Request {
	r = r.WithContext(r.Context())
	r.Body = http.NoBody
	return r
}

// admit finds out who asks, and whether to listen.
func (g *Guard) admit(w http.ResponseWriter, r *http.Request, a *asking) error {
	if err := g.hosts.check(r); err != nil {
		return err
	}
	if err := g.identify(r, a); err != nil {
		return err
	}
	who, limit := g.strangers, int64(maxStranger)
	name := addressOf(r)
	if a.principal.Role != Nobody {
		who, limit, name = g.principals, maxBody, a.principal.Name
	}
	if wait := who.take(name); wait > 0 {
		return &TooManyError{wait}
	}
	if a.principal.Role != Nobody && !isSafe(r.Method) {
		if wait := g.acts.take(name); wait > 0 {
			return &TooManyError{wait}
		}
	}
	if err := readBody(w, r, limit); err != nil {
		return err
	}
	return g.checkCSRF(r, a.principal)
}

// identify finds out who asks, if a token or a session says so.
func (g *Guard) identify(r *http.Request, a *asking) error {
	if header := r.Header.Get("Authorization"); header != "" {
		secret, _ := strings.CutPrefix(header, "Bearer ")
		hash, info, err := g.check(r, strings.TrimSpace(secret))
		if err != nil {
			return err
		}
		a.token, a.principal = hash, Principal{Name: info.Name, Role: info.Role}
		return nil
	}
	cookie, err := r.Cookie(cookieName(r))
	if err != nil {
		return nil //nolint:nilerr // a stranger
	}
	token, ok := g.sessions.find(cookie.Value)
	if !ok {
		return nil
	}
	info, err := g.tokens.byID(token)
	if errors.Is(err, errNoToken) {
		g.sessions.end(cookie.Value)
		return nil
	}
	if err != nil {
		return err
	}
	a.token, a.session = token, cookie.Value
	a.principal = Principal{Name: info.Name, Role: info.Role, CSRF: csrfOf(cookie.Value)}
	return nil
}

// check returns whose token it is. Tries that fail have their limit for each
// address; a token that is right is never refused for them, so that nobody can
// lock others out.
func (g *Guard) check(r *http.Request, secret string) (sessionKey, TokenInfo, error) {
	hash, info, err := g.tokens.find(secret)
	if !errors.Is(err, errNoToken) {
		return hash, info, err
	}
	from := addressOf(r)
	if wait := g.failures.take(from); wait > 0 {
		g.alarm(from)
		return hash, info, &TooManyError{wait}
	}
	g.audit.write(AuditEntry{Time: g.now(), From: from, Act: "refused", Method: r.Method, Path: clip(r.URL.Path), Status: http.StatusUnauthorized})
	return hash, info, fmt.Errorf("%w: %w", ErrUnauthenticated, err)
}

// alarm tells that tokens are guessed at, once an hour for an address.
func (g *Guard) alarm(from string) {
	if g.alarms.take(from) > 0 {
		return
	}
	g.events.Emit(event.Event{
		Time: g.now(), Kind: event.AccessRefused, Severity: event.Warning,
		Summary: "many requests with wrong tokens come from " + from + ": look for a program with an old token, or for somebody who guesses",
		Details: map[string]string{"from": from},
	})
}

// readBody takes the body in, so that a client that sends slowly or without
// end holds up nothing but its connection.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(bodyLimit)) // tests have no connection
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return fmt.Errorf("%w: send at most %d bytes", errTooLong, tooLong.Limit)
	}
	if err != nil {
		return fmt.Errorf("%w: its body ended early or came too slowly", ErrInvalid)
	}
	_ = conn.SetReadDeadline(time.Time{})
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// writeDown puts what was done into the audit log: all that may change
// something, and what a handler noted.
func (g *Guard) writeDown(w *answerer, r *http.Request, a *asking) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.about == nil && (isSafe(r.Method) || a.principal.Role == Nobody) {
		return
	}
	write := g.audit.write
	if isSafe(r.Method) || a.act == actLogin { // of which admit lets through many
		write = g.seen.write
	}
	write(AuditEntry{
		Time: g.now(), By: a.principal.Name, Role: a.principal.Role, From: addressOf(r),
		Act: a.act, Method: r.Method, Path: clip(r.URL.Path), Status: cmp.Or(w.status, http.StatusOK), About: a.about,
	})
}

func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}
