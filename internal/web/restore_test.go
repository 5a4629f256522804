package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"holdfast/internal/api"
	"holdfast/internal/web/webtest"
)

// fieldsOf are the values that a form carries.
func fieldsOf(form *html.Node) url.Values {
	v := make(url.Values)
	for _, n := range all(form, "input") {
		v.Add(attribute(n, "name"), attribute(n, "value"))
	}
	return v
}

// formTo is the form that posts to an address.
func formTo(t *testing.T, doc *html.Node, action string) *html.Node {
	t.Helper()
	for _, f := range all(doc, "form") {
		if attribute(f, "action") == action && strings.EqualFold(attribute(f, "method"), "post") {
			return f
		}
	}
	t.Fatalf("no form posts to %s: %.2000s", action, textOf(doc))
	return nil
}

// One file comes back in three steps: find it, choose to restore it, and
// confirm what is shown.
func TestOneFileIsRestored(t *testing.T) {
	b := webtest.Usual(time.Now())
	s := sideOf(t, b).as(api.RoleOperator)
	restore := ""
	for _, a := range all(s.see("/find?q=passwd"), "a") {
		if strings.HasPrefix(textOf(a), "Restore passwd") {
			restore = attribute(a, "href")
		}
	}
	doc := s.see(restore)
	mustSay(t, doc, "/etc/passwd", "Restore and replace them", "/srv/www/index.html", "holdfast restore")
	w := s.post("/restore", fieldsOf(formTo(t, doc, "/restore")))
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/runs/run-protect" {
		t.Fatalf("status %d to %q: %s", w.Code, w.Header().Get("Location"), w.Body)
	}
	want := fmt.Sprintf("restore  %s /etc/passwd to \"\", confirmed \"confirmed\"", idOf(0))
	if done := b.Done(); len(done) != 1 || done[0] != want {
		t.Errorf("done is %q, want %q", done, want)
	}
}

// deciding is a service that keeps what it was asked to restore.
type deciding struct {
	*webtest.Backend

	planned, restored []api.RestoreRequest
	plan              api.RestorePlan
	fail              error
}

func (d *deciding) PlanRestore(_ context.Context, q api.RestoreRequest) (*api.RestorePlan, error) {
	d.planned = append(d.planned, q)
	plan := d.plan
	plan.Target = cmp.Or(q.Target, "/restores/new")
	plan.Request, plan.Confirm = q, "as shown"
	return &plan, d.fail
}

func (d *deciding) Restore(_ context.Context, q api.RestoreRequest) (string, error) {
	d.restored = append(d.restored, q)
	return "run-1", nil
}

// What is confirmed is what was shown: the instant with its zone, each path,
// the target.
func TestWhatIsConfirmedIsWhatWasShown(t *testing.T) {
	for _, file := range []string{"/plain.txt", `/back\\slash \xff "quoted" <b>&amp;.txt`, "/Ünïcode/\u00a0 space"} {
		d := &deciding{Backend: webtest.Usual(time.Now())}
		s := sideOf(t, d)
		q := url.Values{
			"plan": {"shop"}, "source": {"shop"}, "time": {"2026-11-01T10:30:15"}, "path": {file, "/other"},
			"target": {"/srv/back"}, "overwrite": {"if-newer"},
		}
		doc := s.see("/restore?" + q.Encode())
		if w := s.post("/restore", fieldsOf(formTo(t, doc, "/restore"))); w.Code != http.StatusSeeOther {
			t.Fatalf("status %d", w.Code)
		}
		shown, did := d.planned[0], d.restored[0]
		if did.Confirm != "as shown" {
			t.Errorf("confirmed is %q", did.Confirm)
		}
		did.Confirm = ""
		if fmt.Sprint(shown) != fmt.Sprint(did) || did.Paths[0] != file || !did.Time.Equal(time.Date(2026, 11, 1, 10, 30, 15, 0, time.UTC)) {
			t.Errorf("shown is\n%+v, done is\n%+v", shown, did)
		}
	}
}

// A new folder is named when it is shown, and that one is written to.
func TestNewFolderIsTheOneThatWasShown(t *testing.T) {
	d := &deciding{Backend: webtest.Usual(time.Now())}
	s := sideOf(t, d)
	doc := s.see("/restore?repository=local&snapshot=" + idOf(0))
	mustSay(t, doc, "Written to /restores/new")
	s.post("/restore", fieldsOf(formTo(t, doc, "/restore")))
	if len(d.restored) != 1 || d.restored[0].Target != "/restores/new" {
		t.Errorf("restored are %+v", d.restored)
	}
}

func TestRestoreIsNotBegunUnseen(t *testing.T) {
	d := &deciding{Backend: webtest.Usual(time.Now())}
	w := sideOf(t, d).post("/restore", url.Values{"snapshot": {idOf(0)}, "repository": {"local"}})
	if w.Code != http.StatusBadRequest || len(d.restored) != 0 {
		t.Errorf("status %d, restored are %v", w.Code, d.restored)
	}
}

func TestRestoreThatTheServiceDoesNotDo(t *testing.T) {
	d := &deciding{Backend: webtest.Usual(time.Now())}
	d.plan = api.RestorePlan{Refused: "/etc is a folder of the system", Command: []string{"holdfast", "restore", "0000", "--target", "/etc/it's"}}
	doc := sideOf(t, d).see("/restore?repository=local&snapshot=" + idOf(0) + "&target=/etc")
	mustSay(t, doc, "/etc is a folder of the system", `--target '/etc/it'\''s'`)
	for _, f := range all(doc, "form") {
		if attribute(f, "action") == "/restore" && attribute(f, "method") == "post" {
			t.Error("it can be confirmed")
		}
	}
	d.plan = api.RestorePlan{Files: 3, Bytes: 10 << 30, FreeBytes: 1 << 30}
	mustSay(t, sideOf(t, d).see("/restore?repository=local&snapshot="+idOf(0)), "There is not enough room")
	for _, fail := range []error{
		fmt.Errorf("%w: the target is not empty", api.ErrConflict), fmt.Errorf("%w: local does not answer", api.ErrUnavailable),
		&api.HereError{Why: "the log is on another machine", Command: []string{"holdfast", "restore"}},
	} {
		d.fail = fail
		mustSay(t, sideOf(t, d).see("/restore?repository=local&snapshot="+idOf(0)), "It cannot be restored like this "+reason(fail), "Where")
	}
}

// A plan with one source needs no choice of a source; a time comes next.
func TestWizardAsksForWhatIsMissing(t *testing.T) {
	s := sideOf(t, webtest.Usual(time.Now()))
	mustSay(t, s.see("/restore"), "Find a file by its name, or choose a source.", "uploads of shop", "mail of mail")
	mustSay(t, s.see("/restore?plan=mail"), "Source mail of the plan mail", "Snapshots", "newest")
	doc := s.see("/restore?plan=shop&source=shop")
	mustSay(t, doc, "Any instant", "The log leads to", "times are in UTC")
	if n := len(all(doc, "rect")); n != 1 {
		t.Errorf("%d spans show what the log covers", n)
	}
	// Where the log ends is asked for without a time: it goes on meanwhile.
	newest := ""
	for _, a := range all(doc, "a") {
		if strings.HasPrefix(textOf(a), "The newest: ") {
			newest = attribute(a, "href")
		}
	}
	doc = s.see(newest)
	mustSay(t, doc, "The newest there is")
	if v := fieldsOf(formTo(t, doc, "/restore")); v.Get("newest") != "1" || v.Get("source") != "shop" || v.Has("time") || v.Has("snapshot") {
		t.Errorf("confirmed is %v", v)
	}
	if w := s.get("/restore?plan=shop&source=shop&time=tomorrow"); w.Code != http.StatusBadRequest {
		t.Errorf("status %d for a time that is none", w.Code)
	}
}

func TestForgetShowsFirst(t *testing.T) {
	b := webtest.Usual(time.Now())
	s := sideOf(t, b)
	doc := s.see("/forget?repository=local&id=" + idOf(0) + "&id=" + idOf(2))
	mustSay(t, doc, "Forget 2 snapshots?", "the last full backup is among them", "holdfast forget")
	if len(b.Done()) != 0 {
		t.Fatal("showing it did it")
	}
	w := s.post("/forget", fieldsOf(formTo(t, doc, "/forget")))
	want := fmt.Sprintf("forget %s,%s in local, confirmed %q", idOf(0), idOf(2), "confirmed")
	if done := b.Done(); w.Code != http.StatusSeeOther || len(done) != 1 || done[0] != want {
		t.Errorf("status %d, done is %q", w.Code, done)
	}
	if w := s.get("/forget?repository=local"); w.Code != http.StatusBadRequest {
		t.Errorf("status %d with nothing picked", w.Code)
	}
}

func TestHolds(t *testing.T) {
	b := webtest.Usual(time.Now())
	s := sideOf(t, b)
	hold := b.Repos[0].Holds[0]
	mustSay(t, s.see("/repositories/local"), "Holds", hold.Reason, "Release")
	doc := s.see("/repositories/local/holds/" + hold.ID)
	form := formTo(t, doc, "/repositories/local/holds/"+hold.ID)
	v := fieldsOf(form)
	if w := s.post(attribute(form, "action"), v); w.Code != http.StatusBadRequest {
		t.Errorf("status %d without a reason", w.Code)
	}
	v.Set("reason", "looked at it")
	if w := s.post(attribute(form, "action"), v); w.Code != http.StatusSeeOther {
		t.Errorf("status %d", w.Code)
	}
	if w := s.post("/repositories/local/hold", url.Values{"plan": {"shop"}, "reason": {"the audit"}}); w.Code != http.StatusSeeOther {
		t.Errorf("status %d", w.Code)
	}
	want := []string{"release " + hold.ID + " in local: looked at it", "hold shop  in local: the audit"}
	if done := b.Done(); fmt.Sprint(done) != fmt.Sprint(want) {
		t.Errorf("done is %q, want %q", done, want)
	}
}

func TestCompare(t *testing.T) {
	s := sideOf(t, webtest.Usual(time.Now()))
	// Picked newest first, as the list has them: it is compared from old to new.
	doc := s.see("/diff?repository=local&id=" + idOf(0) + "&id=" + idOf(2))
	text := textOf(doc)
	if from, to := strings.Index(text, "From "+shortID(idOf(2))), strings.Index(text, "To "+shortID(idOf(0))); from < 0 || to < from {
		t.Errorf("compared is %.800s", text)
	}
	mustSay(t, doc, "51 added", "51 removed", "51 changed", "50 metadata")
	mustSay(t, s.see("/diff?repository=local&from="+idOf(2)+"&to="+idOf(0)+"&change=type"), "50 type")
	for _, ids := range []string{"", "&id=" + idOf(0), "&id=" + idOf(0) + "&id=" + idOf(2) + "&id=" + idOf(4)} {
		if w := s.get("/diff?repository=local" + ids); w.Code != http.StatusBadRequest {
			t.Errorf("status %d with %d picked", w.Code, strings.Count(ids, "id="))
		}
	}
}

func TestRestoreTestNow(t *testing.T) {
	b := webtest.Usual(time.Now())
	w := sideOf(t, b).post("/tests", url.Values{"plan": {"shop"}})
	if done := b.Done(); w.Code != http.StatusSeeOther || len(done) != 1 || !strings.HasPrefix(done[0], "start plans/shop/") {
		t.Errorf("status %d, done is %q", w.Code, done)
	}
	for k := range b.AllPlans {
		b.AllPlans[k].Jobs = nil
	}
	w = sideOf(t, b).post("/tests", url.Values{"plan": {"shop"}})
	mustSay(t, parsed(t, w.Body), "has no restore test", "holdfast verify --plan shop")
}

// Whoever looks at a test that failed learns at once whether it comes back from
// elsewhere, and the other way round.
func TestRestoreTestElsewhere(t *testing.T) {
	b := webtest.Usual(time.Now())
	b.AllTests = b.AllTests[:2]
	failed, good := &b.AllTests[1], &b.AllTests[0]
	failed.Verdict, failed.Findings, failed.From, failed.ComesBackFrom = "failed", []string{"a pack is damaged"}, "local", "offsite"
	good.From, good.InsteadOf = "offsite", "local"
	s := sideOf(t, b)
	mustSay(t, s.see("/tests"), "offsite instead of local", "local but comes back from offsite")
	mustSay(t, s.see(string(link("tests", failed.Repository, failed.ID))), "a pack is damaged", "It comes back from offsite")
	mustSay(t, s.see(string(link("tests", good.Repository, good.ID))), "because it did not come back from local")
}

func TestRestoreTestRecordIsAsItWasSigned(t *testing.T) {
	b := webtest.Usual(time.Now())
	b.AllTests[0].Record = []byte("{\"verdict\":   \"proven\"}\n")
	w := sideOf(t, b).get(string(link("tests", b.AllTests[0].Repository, b.AllTests[0].ID, "record")))
	if w.Body.String() != "{\"verdict\":   \"proven\"}\n" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("got %q as %s", w.Body, w.Header().Get("Content-Type"))
	}
}

// What another program backed up belongs to no plan: it is compared with what
// has the same paths, and offers no other times of a source.
func TestSnapshotsOfOtherPrograms(t *testing.T) {
	b := webtest.Usual(time.Now())
	for k := range b.Taken {
		b.Taken[k].Plan, b.Taken[k].Source = "", ""
		b.Taken[k].Paths = []string{[]string{"/a", "", "/b"}[k%3]}
	}
	s := sideOf(t, b)
	before := ""
	for _, a := range all(s.see("/snapshots/local/"+idOf(0)), "a") {
		if textOf(a) == "What changed" {
			before = attribute(a, "href")
		}
	}
	if !strings.Contains(before, "from="+idOf(6)) {
		t.Errorf("it is compared by %q", before)
	}
	doc := s.see("/restore?repository=local&snapshot=" + idOf(0))
	mustSay(t, doc, "Paths /a")
	if strings.Contains(textOf(doc), "Another time") {
		t.Error("it offers other times")
	}
}

// An instant in a gap of the log is refused, with the nearest that work.
func TestAnInstantInAGap(t *testing.T) {
	b := webtest.Usual(time.Now())
	at := func(hour int) time.Time { return time.Date(2026, 11, 1, hour, 0, 0, 0, time.UTC) }
	for k := range b.AllPlans {
		if b.AllPlans[k].Name == "shop" {
			b.AllPlans[k].Sources[0].LogRanges = []api.Range{{From: at(2), To: at(5)}, {From: at(8), To: at(12)}}
		}
	}
	d := &deciding{Backend: b}
	s := sideOf(t, d)
	ask := func(when string) *html.Node {
		return s.see("/restore?" + url.Values{"plan": {"shop"}, "source": {"shop"}, "time": {when}}.Encode())
	}
	doc := ask("2026-11-01T06:30:00")
	mustSay(t, doc, "gap")
	if len(d.planned) != 0 {
		t.Errorf("planned are %+v", d.planned)
	}
	var offered []string
	for _, a := range all(doc, "a") {
		if to, err := url.Parse(attribute(a, "href")); err == nil && to.Path == "/restore" && to.Query().Get("time") != "" {
			offered = append(offered, to.Query().Get("time"))
			if to.Query().Get("source") != "shop" || to.Query().Get("plan") != "shop" {
				t.Errorf("offered is %s", to)
			}
		}
	}
	if got := strings.Join(offered, " "); got != "2026-11-01T05:00:00Z 2026-11-01T08:00:00Z" {
		t.Errorf("offered are %s", got)
	}
	mustSay(t, ask("2026-11-01T01:00:00"), "before the first")
	for n, when := range []string{"2026-11-01T05:00:00", "2026-11-01T09:30:00", "2026-11-01T12:30:00"} {
		ask(when)
		if len(d.planned) != n+1 {
			t.Errorf("%s is not planned", when)
		}
	}
}

// Each copy says which instants it has, and one of them alone can be chosen:
// then its gaps count, and no other's log.
func TestEachCopyHasALogOfItsOwn(t *testing.T) {
	b := webtest.Usual(time.Now())
	at := func(hour int) time.Time { return time.Date(2026, 11, 1, hour, 0, 0, 0, time.UTC) }
	for k := range b.AllPlans {
		if b.AllPlans[k].Name == "shop" {
			source := &b.AllPlans[k].Sources[0]
			source.LogTo, source.LogRanges = at(12), []api.Range{{From: at(2), To: at(12)}}
			source.Logs = []api.SourceLog{
				{Repository: "local", To: at(12), Ranges: []api.Range{{From: at(7), To: at(12)}}},
				{Repository: "offsite", To: at(10), Ranges: []api.Range{{From: at(2), To: at(5)}, {From: at(8), To: at(10)}}, Unproven: "its mark is damaged"},
			}
		}
	}
	for _, snapshot := range b.Taken[:9] {
		snapshot.Repository = "offsite"
		b.Taken = append(b.Taken, snapshot)
	}
	d := &deciding{Backend: b}
	s := sideOf(t, d)
	doc := s.see("/restore?plan=shop&source=shop")
	mustSay(t, doc, "local : 2026-11-01 07:00:00 to 2026-11-01 12:00:00", "offsite : 2026-11-01 02:00:00 to 2026-11-01 05:00:00 , 2026-11-01 08:00:00 to 2026-11-01 10:00:00", "Snapshots in local")
	alone := ""
	for _, a := range all(doc, "a") {
		if textOf(a) == "offsite" {
			alone = attribute(a, "href")
		}
	}
	doc = s.see(alone)
	mustSay(t, doc, "Only offsite is read.", "Snapshots in offsite", "The log leads to 2026-11-01 10:00:00", "Between them the log has gaps.")
	mustSay(t, s.see(alone+"&time=2026-11-01T06:00:00"), "restored to from offsite:")
	if len(d.planned) > 0 {
		t.Errorf("planned are %+v", d.planned)
	}
	s.see("/restore?plan=shop&source=shop&time=2026-11-01T06:00:00")
	if len(d.planned) != 1 || d.planned[0].Repository != "" {
		t.Errorf("planned are %+v", d.planned)
	}
	mustSay(t, s.see("/plans/shop"), "in offsite its end is not proven")
}
