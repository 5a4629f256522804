package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Every operation is for its role and those that may more, and for nobody else.
func TestRoles(t *testing.T) {
	w := newWorld(t)
	for _, o := range Operations() {
		if o.ID == "followUpdates" {
			continue
		}
		prepare(t, w, &o)
		for _, role := range []Role{Nobody, RoleViewer, RoleOperator, RoleAdmin} {
			target, _ := sampleTarget(&o)
			before := len(w.backend.calls)
			answer := w.ask(role, o.Method, target, sampleBody(t, &o))
			want := o.Status
			switch {
			case role == Nobody && o.Role != Nobody:
				want = http.StatusUnauthorized
			case role < o.Role:
				want = http.StatusForbidden
			}
			if answer.Code != want {
				t.Errorf("%s asks for %s: status %d, want %d: %s", role, o.ID, answer.Code, want, answer.Body)
			}
			if want >= 400 && len(w.backend.calls) != before {
				t.Errorf("%s asks for %s: refused, and done", role, o.ID)
			}
			w.now.add(time.Minute)
		}
	}
}

func TestUnknownTokens(t *testing.T) {
	w := newWorld(t)
	good := w.tokens[RoleAdmin]
	for _, header := range []string{
		"Bearer ", "Bearer", "Bearer nonsense", "Bearer " + good[:len(good)-1], "Bearer " + good + "a", "Bearer " + strings.ToUpper(good),
		"Basic " + good, "Bearer admin", "Bearer " + strings.Repeat("x", 20_000),
	} {
		w.now.add(time.Minute)
		r := request("GET", Prefix+"/plans", "")
		r.Header.Set("Authorization", header)
		answer := w.serve(r)
		wantStatus(t, answer, http.StatusUnauthorized)
		if answer.Header().Get("WWW-Authenticate") == "" || !strings.Contains(answer.Body.String(), "holdfast token create") {
			t.Errorf("%.30s: the answer does not say what to do: %s", header, answer.Body)
		}
	}
	// A token is taken from its header and from nowhere else.
	for _, target := range []string{"/plans?token=" + good, "/plans?access_token=" + good} {
		wantStatus(t, w.ask(Nobody, "GET", target, ""), http.StatusUnauthorized)
	}
	if n := len(good); n != len(tokenPrefix)+52 {
		t.Errorf("a token has %d characters", n)
	}
}

// What is made, revoked or expires counts from the next request on, whoever
// did it.
func TestTokensComeAndGo(t *testing.T) {
	w := newWorld(t)
	elsewhere := OpenTokens(w.dir) // such as `holdfast token` uses
	elsewhere.now = w.now.Now
	secret, _, err := elsewhere.Create("ci", RoleViewer, time.Hour, "somebody")
	if err != nil {
		t.Fatal(err)
	}
	ask := func() int {
		r := request("GET", Prefix+"/plans", "")
		r.Header.Set("Authorization", "Bearer "+secret)
		return w.serve(r).Code
	}
	if got := ask(); got != http.StatusOK {
		t.Errorf("made just now: %d", got)
	}
	w.now.add(time.Hour)
	if got := ask(); got != http.StatusUnauthorized {
		t.Errorf("expired: %d", got)
	}
	w.now.add(-time.Hour)
	if err := elsewhere.Revoke("ci"); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != http.StatusUnauthorized {
		t.Errorf("revoked: %d", got)
	}
	if err := elsewhere.Revoke("ci"); !errors.Is(err, ErrNotFound) {
		t.Errorf("revoked twice: %v", err)
	}
	if _, _, err := elsewhere.Create("admin", RoleViewer, 0, ""); !errors.Is(err, ErrTokenExists) {
		t.Errorf("a name that is taken: %v", err)
	}
	for _, name := range []string{"", "..", "../x", "a/b", "a\x00b", ".hidden", strings.Repeat("a", 65), "ü"} {
		if _, _, err := elsewhere.Create(name, RoleViewer, 0, ""); !errors.Is(err, ErrInvalid) {
			t.Errorf("name %q: %v", name, err)
		}
		if err := elsewhere.Revoke(name); !errors.Is(err, ErrNotFound) {
			t.Errorf("revoke %q: %v", name, err)
		}
	}
}

// A token whose file is damaged lets nobody in, and does not keep others out.
func TestDamagedToken(t *testing.T) {
	w := newWorld(t)
	path := w.guard.tokens.path("viewer")
	if err := os.WriteFile(path, []byte(`{"name":"viewer","ro`), 0o600); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, w.ask(RoleViewer, "GET", "/plans", ""), http.StatusUnauthorized)
	wantStatus(t, w.ask(RoleAdmin, "GET", "/plans", ""), http.StatusOK)
	answer := w.ask(RoleAdmin, "GET", "/tokens", "")
	if !strings.Contains(answer.Body.String(), `"damaged":"its file cannot be read`) {
		t.Errorf("the damage is not told: %s", answer.Body)
	}
	// Tokens that cannot be read at all let nobody in: one may be revoked.
	if err := os.RemoveAll(w.guard.tokens.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.guard.tokens.dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, w.ask(RoleAdmin, "GET", "/plans", ""), http.StatusInternalServerError)
}

func TestFirstToken(t *testing.T) {
	dir := t.TempDir()
	first := func() string {
		t.Helper()
		g, err := NewGuard(GuardOptions{StateDir: dir, Log: discard})
		if err != nil {
			t.Fatal(err)
		}
		secret, err := g.FirstToken()
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	if !strings.HasPrefix(first(), tokenPrefix) {
		t.Error("the first run makes no token")
	}
	if again := first(); again != "" {
		t.Error("the second run makes another token")
	}
	if err := OpenTokens(dir).Revoke(firstToken); err != nil {
		t.Fatal(err)
	}
	if again := first(); again != "" {
		t.Error("a token comes back after all were revoked")
	}
}

func TestSession(t *testing.T) {
	w := newWorld(t)
	cookie := w.login(RoleAdmin)
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || cookie.Secure || cookie.Name != "holdfast_9898" {
		t.Errorf("cookie %s", cookie)
	}
	wantStatus(t, w.serve(w.inSession(cookie, "GET", "/plans", "")), http.StatusOK)
	if strings.Contains(cookie.String(), w.tokens[RoleAdmin]) {
		t.Error("the token is in the cookie")
	}
	// It outlasts the service, and is on disk only as a hash.
	w.open()
	wantStatus(t, w.serve(w.inSession(cookie, "GET", "/plans", "")), http.StatusOK)
	text, err := os.ReadFile(filepath.Join(w.dir, "sessions.json"))
	if err != nil || strings.Contains(string(text), cookie.Value) || strings.Contains(string(text), w.tokens[RoleAdmin]) {
		t.Errorf("sessions on disk: %v %s", err, text)
	}
	// Logging out ends it on the server.
	out := w.inSession(cookie, "POST", "", "")
	out.URL.Path = "/logout"
	if got := w.serve(out).Result().Cookies(); len(got) != 1 || got[0].MaxAge >= 0 {
		t.Errorf("logout leaves the cookie: %v", got)
	}
	wantStatus(t, w.serve(w.inSession(cookie, "GET", "/plans", "")), http.StatusUnauthorized)
}

// Over TLS the cookie is for TLS and this host alone.
func TestCookieOverTLS(t *testing.T) {
	w := newWorld(t)
	r := request("POST", "/login", "token="+w.tokens[RoleViewer])
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.TLS = &tls.ConnectionState{}
	cookies := w.serve(r).Result().Cookies()
	if len(cookies) != 1 || cookies[0].Name != "__Host-holdfast_9898" || !cookies[0].Secure || cookies[0].Domain != "" {
		t.Fatalf("%v", cookies)
	}
	in := w.inSession(cookies[0], "GET", "/me", "")
	in.TLS = &tls.ConnectionState{}
	wantStatus(t, w.serve(in), http.StatusOK)
	wantStatus(t, w.serve(w.inSession(cookies[0], "GET", "/me", "")), http.StatusUnauthorized)
}

func TestSessionEnds(t *testing.T) {
	for name, end := range map[string]func(w *world){
		"idle":           func(w *world) { w.now.add(sessionIdle + time.Minute) },
		"revoked":        func(w *world) { revoke(w, "operator") },
		"clock set back": func(w *world) { w.now.add(-2 * sessionIdle) },
		"another role": func(w *world) {
			revoke(w, "operator")
			if _, _, err := w.guard.tokens.Create("operator", RoleAdmin, 0, ""); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			cookie := w.login(RoleOperator)
			wantStatus(t, w.serve(w.inSession(cookie, "GET", "/plans", "")), http.StatusOK)
			end(w)
			wantStatus(t, w.serve(w.inSession(cookie, "GET", "/plans", "")), http.StatusUnauthorized)
		})
	}
	t.Run("age", func(t *testing.T) {
		w := newWorld(t)
		cookie := w.login(RoleOperator)
		for range int(sessionAge / sessionIdle) {
			w.now.add(sessionIdle - time.Minute)
			wantStatus(t, w.serve(w.inSession(cookie, "GET", "/plans", "")), http.StatusOK)
		}
		w.now.add(sessionIdle)
		wantStatus(t, w.serve(w.inSession(cookie, "GET", "/plans", "")), http.StatusUnauthorized)
	})
}

func revoke(w *world, name string) {
	w.t.Helper()
	if err := w.guard.tokens.Revoke(name); err != nil {
		w.t.Fatal(err)
	}
}

// A session that somebody planted in a browser is not the one that a login
// begins, and ends with it.
func TestSessionFixation(t *testing.T) {
	w := newWorld(t)
	planted := &http.Cookie{Name: "holdfast_9898", Value: "planted"}
	if got := w.login(RoleAdmin, planted); got.Value == planted.Value {
		t.Error("a planted session was taken over")
	}
	wantStatus(t, w.serve(w.inSession(planted, "GET", "/plans", "")), http.StatusUnauthorized)
	// So is one of the attacker's own.
	attacker := w.login(RoleViewer)
	r := request("POST", "/login", "token="+w.tokens[RoleAdmin]+"&csrf="+csrfOf(attacker.Value))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(attacker)
	answer := w.serve(r)
	if cookies := answer.Result().Cookies(); len(cookies) != 1 || cookies[0].Value == attacker.Value {
		t.Fatalf("%d %s %v", answer.Code, answer.Body, cookies)
	}
	wantStatus(t, w.serve(w.inSession(attacker, "GET", "/plans", "")), http.StatusUnauthorized)
}

// A page of another site cannot have a browser do anything with a session.
func TestForgedRequests(t *testing.T) {
	w := newWorld(t)
	cookie, other := w.login(RoleAdmin), w.login(RoleAdmin)
	forge := map[string]func(r *http.Request){
		"no token":             func(r *http.Request) { r.Header.Del(csrfHeader) },
		"wrong token":          func(r *http.Request) { r.Header.Set(csrfHeader, "nonsense") },
		"another's token":      func(r *http.Request) { r.Header.Set(csrfHeader, csrfOf(other.Value)) },
		"from another site":    func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"from another port":    func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"from another origin":  func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") },
		"from an unknown page": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
	}
	for name, change := range forge {
		for _, path := range []string{"/plans/shop/resume", "/check-plans"} {
			r := w.inSession(cookie, "POST", path, "")
			change(r)
			answer := w.serve(r)
			if answer.Code != http.StatusForbidden || !strings.Contains(answer.Body.String(), problemPrefix+"foreign") {
				t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
			}
		}
	}
	if len(w.backend.calls) != 0 {
		t.Errorf("done all the same: %v", w.backend.calls)
	}
	wantStatus(t, w.serve(w.inSession(cookie, "POST", "/plans/shop/resume", "")), http.StatusNoContent)
	// A form carries the token in a field. Its body is read here, and is there
	// for the handler all the same.
	r := w.inSession(cookie, "POST", "", "csrf="+csrfOf(cookie.Value)+"&token="+w.tokens[RoleViewer])
	r.URL.Path = "/login"
	r.Header.Del(csrfHeader)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	wantStatus(t, w.serve(r), http.StatusOK)
	// Nor can it log somebody in to another's session.
	r = request("POST", "/login", "token="+w.tokens[RoleViewer])
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	wantStatus(t, w.serve(r), http.StatusForbidden)
}

// A name of somebody else's that leads to this address is refused.
func TestRebinding(t *testing.T) {
	w := newWorld(t)
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{
		"127.0.0.1:9898": 200, "[::1]:9898": 200, "localhost": 200, "LOCALHOST.:9898": 200, "192.0.2.7:9898": 200, "[2001:db8::1]": 200,
		"backup.example": 200, "Backup.Example:443": 200, own: 200,
		"evil.example": 421, "evil.example:9898": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421, "": 421, "[evil": 421,
	} {
		r := request("GET", Prefix+"/plans", "")
		r.Host = host
		r.Header.Set("Authorization", "Bearer "+w.tokens[RoleViewer])
		if got := w.serve(r).Code; got != want {
			t.Errorf("asked for as %q: %d, want %d", host, got, want)
		}
	}
	// Over TLS the certificate says who this is.
	r := request("GET", Prefix+"/plans", "")
	r.Host, r.TLS = "evil.example", &tls.ConnectionState{}
	r.Header.Set("Authorization", "Bearer "+w.tokens[RoleViewer])
	wantStatus(t, w.serve(r), http.StatusOK)
}

// Guessing is slowed down for who guesses, and locks nobody else out.
func TestGuessing(t *testing.T) {
	w := newWorld(t)
	guess := func(from string) *httptest.ResponseRecorder {
		r := request("GET", Prefix+"/plans", "")
		r.RemoteAddr = from
		r.Header.Set("Authorization", "Bearer hft_guess")
		return w.serve(r)
	}
	for range failureBurst {
		wantStatus(t, guess("192.0.2.1:1"), http.StatusUnauthorized)
	}
	answer := guess("192.0.2.1:2")
	wantStatus(t, answer, http.StatusTooManyRequests)
	if answer.Header().Get("Retry-After") == "" {
		t.Error("it is not said when to try again")
	}
	guess("192.0.2.1:3")
	if got := w.events.kinds(); strings.Count(got, "access-refused\n") != 1 {
		t.Errorf("told of %q", got)
	}
	wantStatus(t, guess("192.0.2.2:1"), http.StatusUnauthorized)
	// One network of IPv6 is one customer.
	for n := range failureBurst {
		wantStatus(t, guess(fmt.Sprintf("[2001:db8::%x]:1", n+1)), http.StatusUnauthorized)
	}
	wantStatus(t, guess("[2001:db8::ffff]:1"), http.StatusTooManyRequests)
	// Who has the token comes in from the same address.
	r := request("GET", Prefix+"/plans", "")
	r.RemoteAddr = "192.0.2.1:9"
	r.Header.Set("Authorization", "Bearer "+w.tokens[RoleViewer])
	wantStatus(t, w.serve(r), http.StatusOK)
	w.now.add(failureEvery)
	wantStatus(t, guess("192.0.2.1:1"), http.StatusUnauthorized)
	wantStatus(t, guess("192.0.2.1:1"), http.StatusTooManyRequests)
}

func TestRateLimit(t *testing.T) {
	w := newWorld(t)
	for range principalBurst {
		if got := w.ask(RoleViewer, "GET", "/me", "").Code; got != http.StatusOK {
			t.Fatalf("within the limit: %d", got)
		}
	}
	answer := w.ask(RoleViewer, "GET", "/me", "")
	wantStatus(t, answer, http.StatusTooManyRequests)
	if answer.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", answer.Header().Get("Retry-After"))
	}
	wantStatus(t, w.ask(RoleAdmin, "GET", "/me", ""), http.StatusOK)
	w.now.add(time.Second)
	wantStatus(t, w.ask(RoleViewer, "GET", "/me", ""), http.StatusOK)
	for range strangerBurst {
		w.ask(Nobody, "GET", "/openapi.json", "")
	}
	wantStatus(t, w.ask(Nobody, "GET", "/openapi.json", ""), http.StatusTooManyRequests)
}

// However many come, what is kept count of is bounded.
func TestManyAddresses(t *testing.T) {
	now := &clock{now: time.Now()}
	l := newLimiters(1, 1, now.Now)
	for n := range maxLimiters + 10 {
		l.take(fmt.Sprint(n))
	}
	if got := len(l.byName); got != maxLimiters {
		t.Errorf("%d limiters", got)
	}
	now.add(2 * limiterIdle)
	if l.take("new") > 0 || len(l.byName) != 1 {
		t.Errorf("%d limiters after a pause", len(l.byName))
	}
}

func TestLargeRequests(t *testing.T) {
	w := newWorld(t)
	long := `{"reason":"` + strings.Repeat("x", maxBody) + `"}`
	wantStatus(t, w.ask(RoleAdmin, "POST", "/plans/shop/pause", long), http.StatusRequestEntityTooLarge)
	r := request("POST", "/login", "token="+strings.Repeat("x", maxStranger))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	wantStatus(t, w.serve(r), http.StatusRequestEntityTooLarge)
	if len(w.backend.calls) != 0 {
		t.Errorf("done all the same: %v", w.backend.calls)
	}
}

// A client that sends its request slowly holds up nobody, and what is cut
// short is not done.
func TestSlowAndTornRequests(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewUnstartedServer(w.handler)
	server.Config = NewHTTPServer(w.handler, discard)
	server.Start()
	defer server.Close()
	head := "POST /api/v1/plans/shop/pause HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer " + w.tokens[RoleAdmin] + "\r\nContent-Length: 100\r\n\r\n{"
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(answer), "400 Bad Request") {
		t.Errorf("%v %s", err, answer)
	}
	if len(w.backend.calls) != 0 {
		t.Errorf("done all the same: %v", w.backend.calls)
	}
	if s := NewHTTPServer(nil, discard); s.ReadHeaderTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 {
		t.Error("a connection has no limits")
	}
}

func TestManyAtOnce(t *testing.T) {
	w := newWorld(t)
	w.login(RoleViewer)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for range 20 {
				if got := w.serve(w.inSession(w.login(RoleOperator), "GET", "/plans", "")).Code; got != http.StatusOK {
					t.Errorf("status %d", got)
				}
				name := fmt.Sprintf("token-%d", n)
				if _, _, err := w.guard.tokens.Create(name, RoleViewer, 0, ""); err != nil {
					t.Error(err)
				}
				w.now.add(time.Minute)
				w.login(RoleViewer)
				if err := w.guard.tokens.Revoke(name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	// Of many who want one name one gets it.
	got := make(chan error, 8)
	for range cap(got) {
		go func() {
			_, _, err := w.guard.tokens.Create("one", RoleViewer, 0, "")
			got <- err
		}()
	}
	made := 0
	for range cap(got) {
		if err := <-got; err == nil {
			made++
		} else if !errors.Is(err, ErrTokenExists) {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d got it", made)
	}
}

// No secret is in the log, the audit log or any other file, whatever happens.
func TestSecretsStaySecret(t *testing.T) {
	w := newWorld(t)
	cookie := w.login(RoleAdmin)
	secrets := []string{w.tokens[RoleAdmin], w.tokens[RoleViewer], cookie.Value, csrfOf(cookie.Value), "s3cret"}
	w.serve(w.inSession(cookie, "POST", "/protect", `{"what":["postgres://u:s3cret@db/shop"],"name":"shop"}`))
	w.serve(w.inSession(cookie, "POST", "/check-plans", ""))
	w.ask(RoleViewer, "POST", "/check-plans", "")
	wrong := request("GET", Prefix+"/plans", "")
	wrong.Header.Set("Authorization", "Bearer "+w.tokens[RoleAdmin]+"x")
	w.serve(wrong)
	made := w.ask(RoleAdmin, "POST", "/tokens", `{"name":"new","role":"viewer"}`)
	_, secret, _ := strings.Cut(made.Body.String(), `"secret":"`)
	secret, _, _ = strings.Cut(secret, `"`)
	if !strings.HasPrefix(secret, tokenPrefix) {
		t.Fatalf("no token: %s", made.Body)
	}
	secrets = append(secrets, secret)

	written := map[string]string{"the log": w.log.String(), "the list": w.ask(RoleAdmin, "GET", "/tokens", "").Body.String(), "the audit log's list": w.ask(RoleAdmin, "GET", "/audit", "").Body.String()}
	err := filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			text, rerr := os.ReadFile(path)
			written[path], err = string(text), rerr
			if info, ierr := d.Info(); ierr == nil && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s is for others too: %s", path, info.Mode())
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range written {
		for _, s := range secrets {
			if strings.Contains(text, s) {
				t.Errorf("%s tells %.12s...", where, s)
			}
		}
	}
}

// Pages are told to load nothing from elsewhere, not to be framed or kept.
func TestHeaders(t *testing.T) {
	w := newWorld(t)
	for _, target := range []string{"/plans", "/openapi.json", "/nowhere"} {
		h := w.ask(RoleViewer, "GET", target, "").Header()
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin", "Content-Security-Policy": policy,
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q", target, name, got)
			}
		}
		if h.Get("Cache-Control") == "" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", target, h)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("policy %s", policy)
	}
}

// A browser that asks for a page is refused with one, and a program with JSON;
// what is left of the body is not read for either.
func TestRefusalsAreShown(t *testing.T) {
	w := newWorld(t)
	w.guard.ShowRefusals(func(rw http.ResponseWriter, r *http.Request, p *Problem) {
		if left, err := io.ReadAll(r.Body); len(left) != 0 || err != nil {
			t.Errorf("%d bytes are left, %v", len(left), err)
		}
		rw.WriteHeader(p.Status)
		fmt.Fprint(rw, "a page: "+p.Title) //nolint:errcheck // a recorder
	})
	for _, c := range []struct {
		host, accept, path string
		page               bool
	}{
		{"evil.example", "text/html,*/*", "/runs", true},
		{"127.0.0.1:9898", "text/html,*/*", "/runs", true},
		{"evil.example", "*/*", "/assets/a.css", false},
		{"evil.example", "text/html", Prefix + "/plans", false},
	} {
		r := request("POST", c.path, strings.Repeat("x", maxStranger+1000))
		r.Host = c.host
		r.Header.Set("Accept", c.accept)
		answer := w.serve(r)
		want := http.StatusMisdirectedRequest
		if c.host != "evil.example" {
			want = http.StatusRequestEntityTooLarge
		}
		if page := strings.HasPrefix(answer.Body.String(), "a page: "); answer.Code != want || page != c.page {
			t.Errorf("%+v: %d %s", c, answer.Code, answer.Body)
		}
	}
}

// The audit log has who logged in and out, and how that was answered.
func TestLoginsAreWrittenDown(t *testing.T) {
	w := newWorld(t)
	r := w.inSession(w.login(RoleOperator), "POST", "/me", "")
	r.URL.Path = "/logout"
	if answer := w.serve(r); answer.Code != http.StatusOK {
		t.Fatal(answer.Code, answer.Body)
	}
	entries, err := w.guard.Audit(time.Time{}, 2)
	if err != nil || len(entries) != 2 {
		t.Fatal(entries, err)
	}
	for k, act := range []string{"logout", "login"} {
		if e := entries[k]; e.Act != act || e.By != "operator" || e.Role != RoleOperator || e.Status != http.StatusOK || e.Path != "/"+act {
			t.Errorf("%+v", e)
		}
	}
}

// A link from another site, which brings no cookie, leads through a page of
// this one, which does, and nowhere else.
func TestSharedLink(t *testing.T) {
	w := newWorld(t)
	follow := func(target string) *httptest.ResponseRecorder {
		r := request("GET", target, "")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
		return w.serve(r)
	}
	answer := follow(`/runs?plan=a%22b&x=<script>`)
	want := `content="0;url=/login?next=%2Fruns%3Fplan%3Da%2522b%26x%3D%3Cscript%3E"`
	if body := answer.Body.String(); !strings.Contains(body, want) || answer.Code != http.StatusOK {
		t.Errorf("%d %s", answer.Code, body)
	}
	for _, target := range []string{"/login", Prefix + "/plans"} {
		if answer := follow(target); strings.Contains(answer.Body.String(), "refresh") {
			t.Errorf("%s: %s", target, answer.Body)
		}
	}
}

func TestWhoAsks(t *testing.T) {
	if _, ok := PrincipalOf(context.Background()); ok {
		t.Error("somebody asks")
	}
	Note(context.Background(), "key", "value") // and nothing happens
	w := newWorld(t)
	if got := w.ask(RoleOperator, "GET", "/me", "").Body.String(); got != `{"name":"operator","role":"operator"}`+"\n" {
		t.Errorf("me: %s", got)
	}
	if role := Role(9).String(); role != "unknown" {
		t.Error(role)
	}
}
