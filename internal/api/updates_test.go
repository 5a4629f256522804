package api

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// listening is a client that follows updates.
type listening struct {
	t      *testing.T
	answer *http.Response
	lines  *bufio.Scanner
	cancel context.CancelFunc
	id     string // of the last update
}

func (w *world) listen(server *httptest.Server, role Role, after string) *listening {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	w.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+Prefix+"/updates", http.NoBody)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.tokens[role])
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { answer.Body.Close() })
	return &listening{t: w.t, answer: answer, lines: bufio.NewScanner(answer.Body), cancel: cancel}
}

// next returns the next update, and whether there is one.
func (l *listening) next() (u Update, ok bool) {
	l.t.Helper()
	for l.lines.Scan() {
		line := l.lines.Text()
		if id, isID := strings.CutPrefix(line, "id: "); isID {
			l.id = id
		}
		if data, isData := strings.CutPrefix(line, "data: "); isData {
			if err := json.Unmarshal([]byte(data), &u); err != nil {
				l.t.Fatal(err)
			}
			return u, true
		}
	}
	return u, false
}

func (l *listening) wantRun(id string) {
	l.t.Helper()
	if u, ok := l.next(); !ok || u.Run == nil || u.Run.ID != id {
		l.t.Fatalf("got %+v (%v), want run %s", u, ok, id)
	}
}

// follow has the server follow its backend and serve.
func (w *world) follow() (server *httptest.Server, stop context.CancelFunc) {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.server.Run(ctx) }()
	server = httptest.NewServer(w.handler)
	w.t.Cleanup(func() {
		stop()
		server.Close()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	for !w.isFollowing() {
		time.Sleep(time.Millisecond)
	}
	return server, stop
}

func (w *world) isFollowing() bool {
	w.backend.mu.Lock()
	defer w.backend.mu.Unlock()
	return w.backend.changed != nil
}

func run(id string) Update { return Update{Run: &Run{ID: id}} }

// What happens reaches all who listen, in order, and who comes back goes on
// from where they were.
func TestUpdates(t *testing.T) {
	w := newWorld(t)
	server, _ := w.follow()
	one, two := w.listen(server, RoleViewer, ""), w.listen(server, RoleAdmin, "")
	w.backend.changed(run("a"))
	w.backend.changed(run("<b>\n\ndata: x"))
	for _, l := range []*listening{one, two} {
		l.wantRun("a")
		l.wantRun("<b>\n\ndata: x")
	}
	if got := one.answer.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Error(got)
	}
	one.cancel()
	w.backend.changed(run("c"))
	back := w.listen(server, RoleViewer, one.id)
	back.wantRun("c")
	w.backend.changed(run("d"))
	back.wantRun("d")
}

// Who was away for too long, or comes from before the service started, is told
// that updates are missing.
func TestLostUpdates(t *testing.T) {
	w := newWorld(t)
	server, _ := w.follow()
	l := w.listen(server, RoleViewer, "")
	w.backend.changed(run("first"))
	l.wantRun("first")
	l.cancel()
	for range keptUpdates + 1 {
		w.backend.changed(run("other"))
	}
	for _, after := range []string{l.id, "other-1", "nonsense", w.server.hub.era + "-99999999", w.server.hub.era + "-"} {
		back := w.listen(server, RoleViewer, after)
		if u, ok := back.next(); !ok || !u.Lost {
			t.Errorf("after %s: %+v %v", after, u, ok)
		}
		back.cancel()
	}
}

// A listener that does not keep up loses updates, is told so, and holds up
// nobody.
func TestLaggingListener(t *testing.T) {
	h := newHub()
	l, _, _, err := h.listen("slow", "")
	if err != nil {
		t.Fatal(err)
	}
	for range queuedUpdates + 1 {
		h.publish(run("x"))
	}
	if len(l.updates) != queuedUpdates || !h.hasLost(l) || h.hasLost(l) {
		t.Errorf("%d updates wait", len(l.updates))
	}
}

func TestListenersAreBounded(t *testing.T) {
	h := newHub()
	for range listenersEach {
		if _, _, _, err := h.listen("one", ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, _, err := h.listen("one", ""); err == nil {
		t.Error("one may listen without bound")
	}
	l, _, _, err := h.listen("other", "")
	if err != nil {
		t.Fatal(err)
	}
	h.leave(l)
	h.close()
	h.close()
	if _, _, _, err := h.listen("late", ""); err == nil {
		t.Error("somebody listens to what has ended")
	}
}

// Who loses the right to listen hears nothing more, from the next update on.
func TestListenerIsRevoked(t *testing.T) {
	w := newWorld(t)
	server, _ := w.follow()
	l := w.listen(server, RoleViewer, "")
	w.backend.changed(run("a"))
	l.wantRun("a")
	revoke(w, "viewer")
	w.backend.changed(run("secret"))
	for {
		u, ok := l.next()
		if !ok {
			break
		}
		if u.Run != nil && u.Run.ID == "secret" {
			t.Fatal("it is told to who was revoked")
		}
	}
}

// A service that stops ends the streams, so that nothing keeps it.
func TestStoppingEndsStreams(t *testing.T) {
	w := newWorld(t)
	server, stop := w.follow()
	l := w.listen(server, RoleViewer, "")
	stop()
	if u, ok := l.next(); ok {
		t.Errorf("got %+v", u)
	}
}
