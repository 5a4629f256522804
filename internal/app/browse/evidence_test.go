package browse

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"holdfast/internal/api"
	"holdfast/internal/app"
	"holdfast/internal/config"
	"holdfast/internal/evidence"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// All records of a repository are held to each other: what is gone, or signed by
// somebody else, is told, also where no restore test is among it.
func TestEvidenceIsJudgedAsAWhole(t *testing.T) {
	o := newWorld(t)
	one := o.repository("one")
	own := author(t, filepath.Join(o.dir, "evidence.key"))
	b := o.browser(quick)
	judge := func() *api.Evidence {
		t.Helper()
		e, err := b.Evidence(t.Context(), "one")
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	if e := judge(); !e.Good || e.Total != 0 {
		t.Errorf("of none: %+v", e)
	}
	var keys []string
	for hour, verdict := range []evidence.Verdict{evidence.Proven, evidence.Failed, evidence.Proven} {
		keys = append(keys, one.tested(hour, "orders", verdict, own))
	}
	b.Changed("one")
	e := judge()
	if !e.Good || e.Total != 3 || len(e.Records) != 3 || e.Records[0].Number != 3 || e.Records[1].Verdict != "failed" || e.Records[1].Problems != 1 {
		t.Errorf("of three: %+v", e)
	}
	// Many ask at once, and it is found out once.
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if again := judge(); again.Judged != e.Judged {
				t.Error("what is the same was judged again")
			}
		})
	}
	all.Wait()
	page, err := b.RestoreTests(t.Context(), api.RestoreTestQuery{})
	if err != nil || len(page.Evidence) != 1 || !page.Evidence[0].Good || page.Evidence[0].Total != 3 {
		t.Errorf("beside restore tests: %+v, %v", page.Evidence, err)
	}

	if err := one.r.Store().Delete(t.Context(), keys[1]); err != nil {
		t.Fatal(err)
	}
	b.Changed("one")
	if e = judge(); e.Good || len(e.Findings) == 0 || e.Findings[0].Rule != string(evidence.Missing) {
		t.Errorf("one is gone: %+v", e)
	}
	one.tested(4, "orders", evidence.Proven, author(t, filepath.Join(t.TempDir(), "k")))
	b.Changed("one")
	rules := ""
	for _, f := range judge().Findings {
		rules += f.Rule + " "
	}
	if !strings.Contains(rules, string(evidence.Foreign)) || !strings.Contains(rules, string(evidence.Missing)) {
		t.Errorf("somebody else signed: %s", rules)
	}
	if _, err := b.Evidence(t.Context(), "nowhere"); err == nil {
		t.Error("a repository that is not there has evidence")
	}
}

// Which tags would change is told, and what keeps them from it.
func TestPlanTag(t *testing.T) {
	o := newWorld(t)
	m := o.repository("one")
	root := m.raw(m.file("a", "x"))
	first := m.snapshot(0, root, func(s *snapshot.Snapshot) { s.Tags = []string{"old"} })
	m.snapshot(1, root, nil)
	b := o.browser(quick)
	plan, ids, err := b.PlanTag(t.Context(), &api.TagAct{Repository: "one", Snapshots: []string{first.ID.String()[:8]}, Add: []string{"new"}, Remove: []string{"old"}})
	if err != nil || len(ids) != 1 || ids[0] != first.ID.String() || plan.Effects[0].Before != "old" || plan.Effects[0].After != "new" || plan.Refused != "" {
		t.Errorf("%+v, %q, %v", plan, ids, err)
	}
	plan, ids, err = b.PlanTag(t.Context(), &api.TagAct{Repository: "one", Snapshots: []string{first.ID.String()}, Add: []string{"old"}})
	if err != nil || len(ids) != 0 || len(plan.Effects) != 0 {
		t.Errorf("what it has already: %+v, %q, %v", plan, ids, err)
	}
	if err := b.PlaceHold(t.Context(), "one", api.HoldRequest{Reason: "case 4711"}); err != nil {
		t.Fatal(err)
	}
	plan, _, err = b.PlanTag(t.Context(), &api.TagAct{Repository: "one", Snapshots: []string{first.ID.String()}, Add: []string{"new"}})
	if err != nil || !strings.Contains(plan.Refused, "case 4711") {
		t.Errorf("held: %+v, %v", plan, err)
	}
	for _, tag := range []string{"", "a,b", " a", "a\nb", "holdfast:plan=x"} {
		if _, _, err := b.PlanTag(t.Context(), &api.TagAct{Repository: "one", Snapshots: []string{first.ID.String()}, Add: []string{tag}}); err == nil {
			t.Errorf("tag %q is taken", tag)
		}
	}
}

// What is holdfast's own lies beside the log where a server holds nothing but
// the files of restic: the service looks there, as commands do.
func TestOwnFilesAreLookedForBesideTheLog(t *testing.T) {
	b := newWorld(t).browser(quick)
	var got app.StoreOptions
	b.open = func(_ context.Context, _ string, o app.StoreOptions) (storage.Store, error) {
		got = o
		return nil, storage.ErrNotFound
	}
	if _, err := b.openStore(t.Context(), config.Repository{URL: "rest:https://backup.example.com/shop", LogURL: "/srv/logs"}); !errors.Is(err, storage.ErrNotFound) || got.LogURL != "/srv/logs" {
		t.Errorf("it is opened with %+v, %v", got, err)
	}
}
