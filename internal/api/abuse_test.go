package api

import (
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"
)

// Who follows logs holds up the service no more than who listens to updates.
func TestWhoFollowsLogsIsBounded(t *testing.T) {
	w := newWorld(t)
	w.server.backend = &logBackend{}
	for range listenersEach {
		if _, _, _, err := w.server.hub.listen(RoleViewer.String(), ""); err != nil {
			t.Fatal(err)
		}
	}
	wantStatus(t, w.ask(RoleViewer, "GET", "/runs/x/log?follow=true", ""), http.StatusServiceUnavailable)
	wantStatus(t, w.ask(RoleViewer, "GET", "/runs/x/log", ""), http.StatusOK)
	wantStatus(t, w.ask(RoleOperator, "GET", "/runs/x/log?follow=true", ""), http.StatusOK)
}

// Who logs in again and again logs nobody else out.
func TestSessionsOfOneTokenDisplaceNoOthers(t *testing.T) {
	w := newWorld(t)
	admins := w.guard.sessions.begin(keyOf("admin"))
	w.now.add(time.Minute)
	for n := range maxSessions - 2 { // as begin does, but for the file
		now := w.now.Now()
		w.guard.sessions.all[keyOf(string(rune(n)))] = &session{Token: keyOf("viewer"), Created: now, Used: now}
	}
	for range 10 {
		w.guard.sessions.begin(keyOf("viewer"))
	}
	if _, ok := w.guard.sessions.find(admins); !ok {
		t.Error("the session of the admin has ended")
	}
	if n := len(w.guard.sessions.all); n > maxSessions {
		t.Errorf("%d sessions", n)
	}
}

// Nobody pushes what they did out of the audit log by doing what has no effect.
func TestTheAuditLogIsNotFlooded(t *testing.T) {
	w := newWorld(t)
	for range actBurst + 100 {
		w.ask(RoleViewer, "POST", "/restore", "{}")
	}
	entries, err := w.guard.Audit(time.Time{}, 10*actBurst)
	if err != nil || len(entries) > actBurst+20 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	wantStatus(t, w.ask(RoleViewer, "POST", "/restore", "{}"), http.StatusTooManyRequests)
	wantStatus(t, w.ask(RoleViewer, "GET", "/me", ""), http.StatusOK)
	wantStatus(t, w.ask(RoleOperator, "POST", "/check-plans", ""), http.StatusAccepted)
}

// Nor by downloading, which nobody is kept from: what comes too fast is told
// as one.
func TestDownloadsDoNotFloodTheAuditLog(t *testing.T) {
	w := newWorld(t)
	const many = actBurst + 250
	for range many {
		wantStatus(t, w.ask(RoleOperator, "GET", "/repositories/main/snapshots/latest/download?path=/a", ""), http.StatusOK)
	}
	entries := func() []AuditEntry {
		all, err := w.guard.Audit(time.Time{}, 10*many)
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(all, func(e AuditEntry) bool { return e.Act != "download" })
	}
	written := len(entries())
	if written > actBurst+20 {
		t.Errorf("%d entries for %d downloads", written, many)
	}
	w.guard.seen.flush() // as it is after a minute, and at the end
	last := entries()[0]
	if last.Act != "download" || last.About["requests"] != strconv.Itoa(many-written) || last.By == "" || last.Path != "" {
		t.Errorf("what was left out is told as %+v", last)
	}
	w.now.add(2 * time.Second)
	w.ask(RoleOperator, "GET", "/repositories/main/snapshots/latest/download?path=/b", "")
	if last := entries()[0]; last.About["path"] != "/b" {
		t.Errorf("a download later on is told as %+v", last)
	}
}
