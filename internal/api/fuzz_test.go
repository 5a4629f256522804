package api

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whatever an administrator sends, the answer is one of a server that works,
// and strangers get nothing but the description.
func FuzzRequests(f *testing.F) {
	for _, o := range Operations() {
		target, _ := sampleTarget(&o)
		f.Add(o.Method, target, `{"job":"a"}`, "")
	}
	f.Add("GET", "/runs?limit=9223372036854775808", "", "bytes=0-")
	f.Add("GET", "/repositories/main/snapshots/a/download", "", "bytes=9223372036854775807-")
	f.Add("GET", "/repositories/main/snapshots/a/download", "", "bytes=--9223372036854775808")
	f.Add("POST", "/tokens", `{"name":"a","role":"admin","expires_seconds":1e300}`, "")
	f.Add("DELETE", "/tokens/..%2f..%2fpasswd", "", "")
	w := &world{backend: &backend{}, tokens: map[Role]string{}}
	handler := newFuzzed(f, w)
	f.Fuzz(func(t *testing.T, method, target, body, span string) {
		r, err := http.NewRequest(method, "http://localhost"+Prefix+target, strings.NewReader(body)) //nolint:noctx // set below
		if err != nil {
			return
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // what follows updates ends at once
		r = r.WithContext(ctx)
		r.RemoteAddr, r.RequestURI = "127.0.0.1:1", r.URL.RequestURI()
		r.Header.Set("Content-Type", mediaJSON)
		r.Header.Set("Range", span)
		stranger := httptest.NewRecorder()
		handler.ServeHTTP(stranger, r.Clone(ctx))
		if ok := stranger.Code < 300; ok && !strings.HasSuffix(r.URL.Path, "/openapi.json") {
			t.Errorf("%s %s: a stranger gets %d: %s", method, target, stranger.Code, stranger.Body)
		}
		r.Body = io.NopCloser(strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+w.tokens[RoleAdmin])
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		if answer.Code >= 500 {
			t.Errorf("%s %s %s: %d: %s", method, target, body, answer.Code, answer.Body)
		}
	})
}

// newFuzzed returns an API that never has enough of somebody.
func newFuzzed(f *testing.F, w *world) http.Handler {
	f.Helper()
	w.dir, w.log, w.now, w.events = f.TempDir(), &logged{}, &clock{}, &emitted{}
	guard, err := NewGuard(GuardOptions{StateDir: w.dir, Log: discard})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { guard.Close() }) //nolint:errcheck // nothing is left to fail
	for _, l := range []*limiters{guard.principals, guard.strangers} {
		l.limit, l.burst = 1e9, 1<<30
	}
	if w.tokens[RoleAdmin], _, err = guard.tokens.Create("fuzz", RoleAdmin, 0, ""); err != nil {
		f.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(Prefix+"/", NewServer(w.backend, guard, Options{Log: discard}))
	return guard.Middleware(mux)
}
