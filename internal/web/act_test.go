package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/web/webtest"
)

// actPages are the pages of acts, and of what is found out when it is asked for.
func actPages(b *webtest.Backend) []string {
	sn, plan := b.Taken[0], b.AllPlans[0]
	of := func(parts ...any) string { return string(link(parts...)) }
	var pages []string
	for _, below := range []string{"locks", "unlock", "prune", "usage", "evidence", "kit", "storage"} {
		pages = append(pages, of("repositories", sn.Repository, below))
	}
	return append(pages,
		of("repositories", sn.Repository, "storage", "apply"),
		of("repositories", sn.Repository, "usage", "?", "mode", "raw-data"),
		of("tag", "?", "repository", sn.Repository, "id", sn.ID),
		of("tag", "?", "repository", sn.Repository, "id", sn.ID, "add", "monthly, <b>"),
		"/archives", of("archives", "?", "place", "/mnt/archives"),
		of("archive", "?", "repository", sn.Repository, "snapshot", sn.ID),
		of("archive", "?", "repository", sn.Repository, "snapshot", sn.ID, "place", "/mnt/archives", "recipients", "age1abc"),
		of("plans", plan.Name, "log"), of("plans", plan.Name, "test"),
	)
}

// What is confirmed is what was shown, and nothing is done before.
func TestActsAreShownFirst(t *testing.T) {
	b := webtest.Usual(time.Now())
	s, sn := sideOf(t, b), b.Taken[0]
	for _, c := range []struct {
		page, form string
		does       []string
	}{
		{
			string(link("tag", "?", "repository", sn.Repository, "id", sn.ID, "add", "monthly, audit", "remove", "old")), "/tag",
			[]string{"TagAct", "Confirm:confirmed", "Repository:" + sn.Repository, "Snapshots:[" + sn.ID + "]", "Add:[monthly audit]", "Remove:[old]"},
		},
		{
			string(link("archive", "?", "repository", sn.Repository, "snapshot", sn.ID, "place", "/mnt/archives", "recipients", "age1abc\r\nssh-ed25519 AAAA\r\n", "since", "latest")), "/archive",
			[]string{"ArchiveAct", "Confirm:confirmed", "Snapshot:" + sn.ID, "Place:/mnt/archives", "Recipients:[age1abc ssh-ed25519 AAAA]", "Since:latest", "Restart:false"},
		},
		{"/repositories/offsite/storage/apply", "/repositories/offsite/storage/apply", []string{"StorageAct", "Confirm:confirmed", "Repository:offsite"}},
	} {
		before := len(b.Done())
		doc := s.see(c.page)
		mustSay(t, doc, "Nothing is done yet", "The same on the command line")
		if len(b.Done()) != before {
			t.Fatalf("%s does something", c.page)
		}
		w := s.post(c.form, fieldsOf(formTo(t, doc, c.form)))
		if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != "/runs/run-protect" {
			t.Errorf("%s: status %d to %q", c.form, w.Code, to)
		}
		did := strings.Join(b.Done()[before:], ";")
		for _, want := range c.does {
			if !strings.Contains(did, want) {
				t.Errorf("%s did %s, without %s", c.form, did, want)
			}
		}
	}
}

// What would change nothing, or is refused, has no button that does it.
func TestActsThatAreNothingOrRefused(t *testing.T) {
	s := sideOf(t, webtest.Usual(time.Now()))
	for page, says := range map[string]string{
		"/repositories/local/prune":  "Nothing to do",
		"/repositories/local/unlock": "It cannot be done now",
	} {
		doc := s.see(page)
		mustSay(t, doc, says)
		for _, f := range all(doc, "form") {
			if attribute(f, "action") == page {
				t.Errorf("%s has a form all the same", page)
			}
		}
	}
}

// What destroys nothing begins at once.
func TestActsThatBeginAtOnce(t *testing.T) {
	b := webtest.Usual(time.Now())
	s := sideOf(t, b)
	for _, c := range []struct {
		target string
		form   url.Values
		does   string
	}{
		{"/repositories/local/check", url.Values{"read": {"5%"}}, "*api.CheckAct &{AtOnce:{} Repository:local Read:5%}"},
		{"/repositories/local/kit", url.Values{"page": {"a page"}}, "*api.KitCheckAct &{AtOnce:{} Repository:local Page:a page}"},
		{"/repositories/local/storage", url.Values{"probe": {"yes"}}, "*api.StorageCheckAct &{AtOnce:{} Repository:local Probe:true}"},
		{"/archives", url.Values{"place": {"/mnt/archives"}}, "*api.ArchiveCheckAct &{AtOnce:{} Place:/mnt/archives Name:}"},
		{"/plans/shop/test", url.Values{"source": {"www"}, "repository": {"local"}, "point": {"oldest"}, "at": {"ignored"}}, "*api.VerifyAct &{AtOnce:{} Plan:shop Source:www Repository:local Point:oldest}"},
		{"/plans/shop/test", url.Values{"point": {"at"}, "at": {" 2026-11-23 14:05:00 "}}, "*api.VerifyAct &{AtOnce:{} Plan:shop Source: Repository: Point:2026-11-23 14:05:00}"},
	} {
		before := len(b.Done())
		w := s.post(c.target, c.form)
		if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != "/runs/run-protect" {
			t.Errorf("%s: status %d to %q", c.target, w.Code, to)
		}
		if did := strings.Join(b.Done()[before:], ";"); did != c.does {
			t.Errorf("%s did %s, want %s", c.target, did, c.does)
		}
	}
}

// Who may not act sees no way to.
func TestWhoMayNotActSeesNoWay(t *testing.T) {
	b := webtest.Usual(time.Now())
	s := sideOf(t, b)
	if text := textOf(s.as(api.RoleViewer).see("/repositories/local")); strings.Contains(text, "Check now") || strings.Contains(text, "Free space") {
		t.Error("a viewer is offered acts")
	}
	mustSay(t, s.as(api.RoleViewer).see("/repositories/local/evidence"), "all signed, none changed, none missing")
	if text := textOf(s.as(api.RoleOperator).see("/repositories/local/locks")); strings.Contains(text, "Remove those that were left") {
		t.Error("an operator is offered to unlock")
	}
	mustSay(t, s.see("/repositories/local/locks"), "Remove those that were left", "is gone", "may be working", "not known")
}

// Something to print or to hand over is a file, and never a page of ours.
func TestPapers(t *testing.T) {
	s := sideOf(t, webtest.Usual(time.Now()))
	w := s.get("/repositories/local/papers/kit.html")
	if w.Code != http.StatusOK || w.Header().Get("Content-Disposition") != `attachment; filename=local-kit.html` || w.Header().Get("Content-Type") != "application/octet-stream" {
		t.Errorf("status %d, %v", w.Code, w.Header())
	}
	if w.Body.String() != "the kit.html of local\n" {
		t.Errorf("got %q", w.Body)
	}
}
