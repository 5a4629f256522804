package browse

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/evidence"
	"holdfast/internal/objective"
	"holdfast/storage/fault"
)

// tested keeps the record of a restore test.
func (m *maker) tested(hour int, source string, verdict evidence.Verdict, a *evidence.Author) string {
	m.t.Helper()
	rec := evidence.Record{
		Kind: evidence.Restore, Time: aTime.Add(time.Duration(hour) * time.Hour), Host: "www", Read: evidence.Part,
		RestoreTest: &evidence.RestoreTest{
			Plan: "shop", Source: source, SourceKind: "files", Verdict: verdict, From: evidence.Place{Name: "main", Location: m.dir}, Files: 3, Bytes: 4,
			RTO:    evidence.Time{Measured: 5, Promised: 60},
			Checks: []evidence.TestCheck{{Name: "files", Expected: "3", Actual: "3", Good: true}},
		},
	}
	if verdict == evidence.Failed {
		rec.Problems, rec.Findings = 1, []string{"a file is missing"}
	}
	key, err := evidence.Save(m.t.Context(), m.r, rec, a)
	if err != nil {
		m.t.Fatal(err)
	}
	return key
}

func author(t *testing.T, path string) *evidence.Author {
	t.Helper()
	a, err := evidence.NewAuthor(path, "")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A test that failed tells whence it came back right after, one before it or
// of something else does not.
func TestWhatCameBackInstead(t *testing.T) {
	test := func(verdict evidence.Verdict, source, from, insteadOf string) api.RestoreTest {
		return api.RestoreTest{Plan: "shop", Source: source, From: from, InsteadOf: insteadOf, Verdict: string(verdict)}
	}
	tests := []api.RestoreTest{ // the newest first
		test(evidence.Failed, "orders", "main", ""),
		test(evidence.Proven, "orders", "far", "main"),
		test(evidence.Failed, "orders", "other", "main"),
		test(evidence.Failed, "files", "main", ""),
		test(evidence.Failed, "orders", "main", ""),
		test(evidence.Failed, "orders", "main", ""),
	}
	tellInstead(tests)
	for n, one := range tests {
		if want := map[int]string{4: "far"}[n]; one.ComesBackFrom != want {
			t.Errorf("%d comes back from %q, want %q", n, one.ComesBackFrom, want)
		}
	}
}

func TestRestoreTestsOfAllRepositories(t *testing.T) {
	o := newWorld(t)
	one, two := o.repository("one"), o.repository("two")
	own, foreign := author(t, filepath.Join(o.dir, "evidence.key")), author(t, filepath.Join(t.TempDir(), "k"))
	one.tested(0, "orders", evidence.Proven, own)
	two.tested(1, "orders", evidence.Failed, foreign)
	one.tested(2, "files", evidence.NotJudged, nil)
	if _, err := evidence.Save(t.Context(), one.r, evidence.Record{Kind: evidence.Check, Time: aTime.Add(3 * time.Hour), Read: evidence.Trees}, own); err != nil {
		t.Fatal(err)
	}
	b := o.browser(quick)
	list := func(q api.RestoreTestQuery) string {
		t.Helper()
		page, err := b.RestoreTests(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range page.Tests {
			got = append(got, r.Repository+" "+r.Source+" "+r.Verdict+" "+r.Signature)
		}
		for _, u := range page.Unread {
			got = append(got, "unread "+u.Repository)
		}
		for _, d := range page.Damage {
			got = append(got, "damaged "+filepath.Base(d.Path)[:20])
		}
		return strings.Join(got, ", ")
	}
	const all = "one files not-judged none, two orders failed unknown, one orders proven good"
	for _, c := range []struct {
		q    api.RestoreTestQuery
		want string
	}{
		{api.RestoreTestQuery{}, all},
		{api.RestoreTestQuery{Limit: 1}, "one files not-judged none"},
		{api.RestoreTestQuery{Source: "orders"}, "two orders failed unknown, one orders proven good"},
		{api.RestoreTestQuery{Repository: "one", Until: aTime}, "one orders proven good"},
		{api.RestoreTestQuery{Since: aTime.Add(2 * time.Hour)}, "one files not-judged none"},
		{api.RestoreTestQuery{Plan: "other"}, ""},
	} {
		if got := list(c.q); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.q, got, c.want)
		}
	}

	page, err := b.RestoreTests(t.Context(), api.RestoreTestQuery{Source: "orders", Repository: "one"})
	if err != nil {
		t.Fatal(err)
	}
	got := page.Tests[0]
	if got.RTO != (api.Standing{State: objective.Met, Measured: 5, Promised: 60, Source: "orders"}) || len(got.Checks) != 1 || !got.Checks[0].Passed || got.From != "main" {
		t.Errorf("got %+v", got)
	}
	single, err := b.RestoreTest(t.Context(), "one", got.ID[:8])
	var rec evidence.Record
	if err != nil || json.Unmarshal(single.Record, &rec) != nil || rec.RestoreTest.Source != "orders" || single.Signature != "good" {
		t.Errorf("got %+v, %v", single, err)
	}
	if _, err := b.RestoreTest(t.Context(), "one", "00000000"); !errors.Is(err, api.ErrNotFound) {
		t.Error(err)
	}
	if _, err := b.RestoreTest(t.Context(), "one", "x"); !errors.Is(err, api.ErrInvalid) {
		t.Error(err)
	}

	// What was read before is shown while a repository is away, and said so.
	o.faulty("two").Add(fault.Rule{Fault: fault.Before(errors.New("cable cut"))})
	if got := list(api.RestoreTestQuery{}); got != all+", unread two" {
		t.Errorf("got %s", got)
	}
}

func TestDamagedRecordsAreTold(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	key := m.tested(0, "orders", evidence.Proven, nil)
	m.tested(1, "orders", evidence.Proven, nil)
	path := filepath.Join(m.dir, filepath.FromSlash(key))
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("rotten"), 0o600)); err != nil {
		t.Fatal(err)
	}
	b := o.browser(quick)
	page, err := b.RestoreTests(t.Context(), api.RestoreTestQuery{})
	if err != nil || len(page.Tests) != 1 || len(page.Damage) != 1 || page.Damage[0].Path != key {
		t.Errorf("got %+v, %v", page, err)
	}
}
