package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What a backend says is wrong becomes a status and a type that do not change.
func TestProblems(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		err    error
		status int
		kind   string
	}{
		{fmt.Errorf("plan x: %w", ErrNotFound), 404, "not-found"},
		{fmt.Errorf("x: %w", ErrInvalid), 400, "invalid"},
		{fmt.Errorf("x: %w", ErrConflict), 409, "conflict"},
		{fmt.Errorf("x: %w", ErrUnavailable), 503, "unavailable"},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), 503, "unavailable"},
		{fmt.Errorf("x: %w", &HereError{Why: "not here", Command: []string{"holdfast", "restore"}}), 409, "only-here"},
		{errors.New("disk on fire"), 500, "failed"},
	} {
		w.backend.err = c.err
		answer := w.ask(RoleViewer, "GET", "/plans/x", "")
		var p Problem
		if err := json.Unmarshal(answer.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		if answer.Code != c.status || p.Status != c.status || p.Type != problemPrefix+c.kind || p.Title == "" || p.Next == "" || p.Detail != c.err.Error() {
			t.Errorf("%v: %d %+v", c.err, answer.Code, p)
		}
		if got := answer.Header().Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%v: %s", c.err, got)
		}
		if c.kind == "only-here" && len(p.Command) != 2 {
			t.Errorf("the command is not told: %+v", p)
		}
	}
	if !strings.Contains(w.log.String(), "disk on fire") {
		t.Error("a failure is not in the log")
	}
}

func TestRequestsThatMakeNoSense(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		method, target, body string
		status               int
		says                 string
	}{
		{"GET", "/runs?plann=shop", "", 400, `there is no parameter \"plann\"`},
		{"GET", "/plans?plan=shop", "", 400, "there is no parameter"},
		{"GET", "/runs?limit=1001", "", 400, "write 1 to 1000"},
		{"GET", "/runs?limit=-1", "", 400, "write 1 to 1000"},
		{"GET", "/runs?limit=many", "", 400, "write a whole number"},
		{"GET", "/runs?since=yesterday", "", 400, "write a time like"},
		{"GET", "/runs?%zz", "", 400, "escape"},
		{"GET", "/events?min_severity=awful", "", 400, "this word is not known"},
		{"GET", "/plans/shop/reports/november", "", 400, "write it like 2026-11"},
		{"GET", "/runs/x/log?offset=-1", "", 400, "write 0 or more"},
		{"GET", "/runs/x/log?follow=perhaps", "", 400, "write true or false"},
		{"GET", "/nowhere", "", 404, "no such address"},
		{"GET", "/plans/", "", 404, "no such address"},
		{"DELETE", "/plans", "", 405, "use GET"},
		{"GET", "/plans/shop/pause", "", 405, "use POST"},
		{"POST", "/jobs/start", `{"job":"a","jobb":"b"}`, 400, "unknown field"},
		{"POST", "/jobs/start", `{"job":`, 400, "cannot be read as JSON"},
		{"POST", "/jobs/start", `{"job":"a"}{}`, 400, "more after the body"},
		{"POST", "/jobs/start", ` `, 400, "cannot be read as JSON"},
		{"POST", "/tokens", `{"name":"a","role":"root"}`, 400, "there are viewer, operator and admin"},
		{"POST", "/tokens", `{"name":"a","role":"viewer","expires_seconds":-1}`, 400, "expired before"},
		{"POST", "/tokens", `{"name":"a","role":"viewer","expires_seconds":0.5}`, 400, "lasts a second at least"},
		{"POST", "/tokens", `{"name":"a","role":"viewer","expires_seconds":1e-300}`, 400, "lasts a second at least"},
	} {
		answer := w.ask(RoleAdmin, c.method, c.target, c.body)
		if answer.Code != c.status || !strings.Contains(answer.Body.String(), c.says) {
			t.Errorf("%s %s %s: %d %s", c.method, c.target, c.body, answer.Code, answer.Body)
		}
	}
	if len(w.backend.calls) != 0 {
		t.Errorf("done all the same: %v", w.backend.calls)
	}
	// A form of another site is no JSON.
	r := request("POST", Prefix+"/jobs/start", `{"job":"a"}`)
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("Authorization", "Bearer "+w.tokens[RoleAdmin])
	wantStatus(t, w.serve(r), http.StatusUnsupportedMediaType)
}

// Names in a path are names, whatever is in them, and lead nowhere else.
func TestNamesInPaths(t *testing.T) {
	w := newWorld(t)
	asked := ""
	w.server.mux = http.NewServeMux()
	w.server.mux.HandleFunc("GET "+Prefix+"/plans/{plan}", func(_ http.ResponseWriter, r *http.Request) { asked = r.PathValue("plan") })
	for name, escaped := range map[string]string{
		"../../etc/passwd": "..%2F..%2Fetc%2Fpasswd", "a b": "a%20b", "ü": "%C3%BC", "%2e": "%252e", "a?b#c": "a%3Fb%23c",
	} {
		asked = ""
		if w.ask(RoleViewer, "GET", "/plans/"+escaped, ""); asked != name {
			t.Errorf("%s arrives as %q", escaped, asked)
		}
	}
	for _, path := range []string{"/../../etc/passwd", "/plans/../../../etc/passwd", "//plans"} {
		if answer := w.ask(RoleViewer, "GET", path, ""); answer.Code < 300 || strings.Contains(answer.Body.String(), "root:") {
			t.Errorf("%s: %d", path, answer.Code)
		}
	}
}

// A client that has the answer is told so.
func TestConditional(t *testing.T) {
	w := newWorld(t)
	first := w.ask(RoleViewer, "GET", "/plans", "")
	tag := first.Header().Get("ETag")
	ask := func(known string) *httptest.ResponseRecorder {
		r := request("GET", Prefix+"/plans", "")
		r.Header.Set("Authorization", "Bearer "+w.tokens[RoleViewer])
		r.Header.Set("If-None-Match", known)
		return w.serve(r)
	}
	for _, known := range []string{tag, "W/" + tag, `"other", ` + tag} {
		if again := ask(known); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s: %d, %d bytes", known, again.Code, again.Body.Len())
		}
	}
	w.backend.empty = true
	changed := ask(tag)
	wantStatus(t, changed, http.StatusOK)
	if got := strings.TrimSpace(changed.Body.String()); got != "[]" {
		t.Errorf("no plans are %s", got)
	}
}

// Lists are lists, also where the service has none, and what the service holds
// is not changed by that.
func TestEmptyLists(t *testing.T) {
	plan := &Plan{Places: []Place{{}}}
	text, err := encode(plan)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"sources":[]`, `"missing":[]`, `"jobs":[]`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
	if plan.Sources != nil || strings.Contains(string(text), "null") {
		t.Errorf("%+v %s", plan, text)
	}
}

// An act is written down with who did it and what it was about.
func TestAuditLog(t *testing.T) {
	w := newWorld(t)
	wantStatus(t, w.ask(RoleOperator, "POST", "/jobs/start", `{"job":"plans/shop/backup","variant":"full"}`), http.StatusNoContent)
	wantStatus(t, w.ask(RoleViewer, "POST", "/plans/shop/pause", `{"reason":"x"}`), http.StatusForbidden)
	wantStatus(t, w.ask(RoleOperator, "GET", "/repositories/main/snapshots/abc/download?path=/etc/passwd", ""), http.StatusOK)
	wantStatus(t, w.ask(RoleOperator, "GET", "/plans", ""), http.StatusOK) // says nothing new
	wrong := request("GET", Prefix+"/plans", "")
	wrong.Header.Set("Authorization", "Bearer wrong")
	w.serve(wrong)
	cookie := w.login(RoleAdmin)
	forged := w.inSession(cookie, "POST", "/check-plans", "")
	forged.Header.Del(csrfHeader)
	w.serve(forged)

	if err := OpenTokens(w.dir).Revoke("viewer"); err != nil { // on the command line
		t.Fatal(err)
	}
	wantStatus(t, w.ask(RoleAdmin, "GET", "/me", ""), http.StatusOK)

	w.open() // a service that starts again goes on with it
	var got []AuditEntry
	answer := w.ask(RoleAdmin, "GET", "/audit?limit=7", "")
	if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []string{
		" token-revoked   0 map[made_by:test role:viewer token:viewer]",
		"admin - POST /api/v1/check-plans 403 map[]",
		"admin login POST /login 200 map[]",
		" refused GET /api/v1/plans 401 map[]",
		"operator download GET /api/v1/repositories/main/snapshots/abc/download 200 map[path:/etc/passwd repository:main snapshot:abc]",
		"viewer pausePlan POST /api/v1/plans/shop/pause 403 map[]",
		"operator startJob POST /api/v1/jobs/start 204 map[job:plans/shop/backup variant:full]",
	}
	if len(got) != len(want) {
		t.Fatalf("%d entries: %s", len(got), answer.Body)
	}
	for i, e := range got {
		act := e.Act
		if act == "" {
			act = "-"
		}
		if line := fmt.Sprintf("%s %s %s %s %d %v", e.By, act, e.Method, e.Path, e.Status, e.About); line != want[i] {
			t.Errorf("entry %d is %q, want %q", i, line, want[i])
		}
		if e.From != "127.0.0.1" && e.Act != "token-revoked" || e.Time.IsZero() {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
}

// A download is what it says it is, or breaks off.
func TestDownload(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewServer(w.handler)
	defer server.Close()
	ask := func(span string) (*http.Response, string, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+Prefix+"/repositories/main/snapshots/abc/download?path=/a", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+w.tokens[RoleOperator])
		if span != "" {
			r.Header.Set("Range", span)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, "", err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		return answer, string(text), err
	}
	for span, want := range map[string]string{
		"": "200 0123456789 ", "bytes=2-4": "206 234 bytes 2-4/10", "bytes=7-": "206 789 bytes 7-9/10", "bytes=-2": "206 89 bytes 8-9/10",
		"bytes=7-100": "206 789 bytes 7-9/10", "bytes=4-2": "200 0123456789 ", "bytes=1-2,4-5": "200 0123456789 ", "lines=1-2": "200 0123456789 ", "bytes=-0": "200 0123456789 ",
	} {
		answer, text, err := ask(span)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%d %s %s", answer.StatusCode, text, answer.Header.Get("Content-Range")); got != want {
			t.Errorf("%s: %q, want %q", span, got, want)
		}
		if got := answer.Header.Get("Content-Type"); got != "application/octet-stream" {
			t.Errorf("%s", got)
		}
		if got := answer.Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment") || strings.Contains(got, "\n") {
			t.Errorf("%q", got)
		}
	}
	w.backend.err = ErrNotFound
	if answer, text, _ := ask(""); answer.StatusCode != http.StatusNotFound || !strings.Contains(text, "not-found") {
		t.Errorf("%d %s", answer.StatusCode, text)
	}
}

// tornBackend fails in the middle of everything.
type tornBackend struct{ backend }

func (b *tornBackend) Find(_ context.Context, _ FindQuery, found func(Found) error) error {
	return errors.Join(found(Found{}), errors.New("damaged"))
}

func (b *tornBackend) Download(_ context.Context, _ DownloadQuery, begin func(Content) io.Writer) error {
	_, err := io.WriteString(begin(Content{Name: "a", Size: -1}), "half of it")
	return errors.Join(err, errors.New("damaged"))
}

func (b *tornBackend) RunLog(_ context.Context, _ string, _ int64, w io.Writer) (int64, error) {
	_, err := io.WriteString(w, "half of it")
	return 0, errors.Join(err, errors.New("damaged"))
}

// An answer that breaks off is never taken for whole.
func TestTornAnswers(t *testing.T) {
	w := newWorld(t)
	w.server.backend = &tornBackend{}
	server := httptest.NewServer(w.handler)
	defer server.Close()
	for _, path := range []string{"/repositories/main/find?pattern=a", "/repositories/main/snapshots/abc/download?path=/a", "/runs/x/log"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+Prefix+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+w.tokens[RoleOperator])
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			_, err = io.ReadAll(answer.Body)
			answer.Body.Close()
		}
		if err == nil {
			t.Errorf("%s looks whole", path)
		}
	}
	if !strings.Contains(w.log.String(), "damaged") {
		t.Error("nobody is told why")
	}
}

// Only so many look through repositories at once; what ends makes room.
func TestBusy(t *testing.T) {
	w := newWorld(t)
	for range maxStreams {
		w.server.streams <- struct{}{}
	}
	answer := w.ask(RoleOperator, "GET", "/repositories/main/find?pattern=a", "")
	wantStatus(t, answer, http.StatusServiceUnavailable)
	if answer.Header().Get("Retry-After") == "" {
		t.Error("it is not said when to try again")
	}
	<-w.server.streams
	for range 3 {
		wantStatus(t, w.ask(RoleOperator, "GET", "/repositories/main/find?pattern=a", ""), http.StatusOK)
	}
}

// logBackend has a run that ends when its log has been looked at thrice.
type logBackend struct {
	backend

	looks int
}

func (b *logBackend) Run(context.Context, string) (*Run, error) {
	if b.looks < 3 {
		return &Run{Outcome: Running}, nil
	}
	return &Run{Outcome: "succeeded"}, nil
}

func (b *logBackend) RunLog(_ context.Context, _ string, offset int64, w io.Writer) (int64, error) {
	b.looks++
	n, err := fmt.Fprintf(w, "line %d\n", b.looks)
	return offset + int64(n), err
}

// A log is followed until the run has ended, to its last line.
func TestFollowLog(t *testing.T) {
	w := newWorld(t)
	w.server.backend = &logBackend{}
	answer := w.ask(RoleViewer, "GET", "/runs/x/log?follow=true&offset=3", "")
	if got := answer.Body.String(); got != "line 1\nline 2\nline 3\nline 4\n" {
		t.Errorf("%q", got)
	}
	if got := answer.Result().Trailer.Get(nextOffset); got != "31" {
		t.Errorf("next offset %q", got)
	}
	if got := answer.Header().Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Error(got)
	}
	// Nor does anybody wait who asks for the head alone.
	w.server.backend = &logBackend{looks: -1 << 30}
	for _, target := range []string{"/runs/x/log?follow=true", "/updates"} {
		wantStatus(t, w.ask(RoleViewer, "HEAD", target, ""), http.StatusOK)
	}
	// Nobody waits for it who left, or who may no longer look.
	w.server.backend = &logBackend{looks: -1 << 30}
	r := request("GET", Prefix+"/runs/x/log?follow=true", "")
	r.Header.Set("Authorization", "Bearer "+w.tokens[RoleViewer])
	go func() {
		time.Sleep(logEvery)
		_ = w.guard.tokens.Revoke("viewer")
	}()
	w.serve(r)
}
