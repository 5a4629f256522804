package evidence

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"holdfast/repository"
	"holdfast/storage"
	"holdfast/storage/mem"
)

var password = []byte("correct horse")

func newRepository(t *testing.T, s storage.Store) *repository.Repository {
	t.Helper()
	in := repository.InitOptions{Password: password, KeyCost: repository.KeyCost{N: 2, R: 1, P: 1}}
	r, err := repository.Init(t.Context(), s, in, repository.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func save(t *testing.T, r *repository.Repository, rec Record) string {
	t.Helper()
	key, err := Save(t.Context(), r, rec, nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestLatest(t *testing.T) {
	r := newRepository(t, mem.New())
	if good, bad, err := Latest(t.Context(), r, noon.AddDate(1, 0, 0)); good != nil || bad != nil || err != nil {
		t.Fatalf("nothing was ever read, but: %+v, %+v, %v", good, bad, err)
	}
	save(t, r, Record{Kind: Check, Time: noon, Read: All, Packs: 7})
	save(t, r, Record{Kind: Check, Time: noon.Add(time.Hour), Read: Part, Problems: 2, Findings: []string{"pack x"}})
	save(t, r, Record{Kind: Check, Time: noon.Add(2 * time.Hour), Read: Trees})
	good, bad, err := Latest(t.Context(), r, noon.AddDate(1, 0, 0))
	if err != nil || good == nil || bad == nil || !good.Time.Equal(noon) || bad.Findings[0] != "pack x" {
		t.Errorf("%+v, %+v, %v", good, bad, err)
	}
	save(t, r, Record{Kind: Proof, Time: noon.Add(3 * time.Hour), Read: Part})
	if good, bad, err = Latest(t.Context(), r, noon.AddDate(1, 0, 0)); err != nil || bad == nil || !good.Time.Equal(noon) {
		t.Errorf("a proof of one snapshot mends all there is: %+v, %+v, %v", good, bad, err)
	}
	save(t, r, Record{Kind: Check, Time: noon.Add(4 * time.Hour), Read: All})
	if good, bad, err = Latest(t.Context(), r, noon.AddDate(1, 0, 0)); err != nil || good.Kind != Check || bad != nil {
		t.Errorf("what was wrong before the last good one still counts: %+v, %+v, %v", good, bad, err)
	}
}

// A restore test that failed is mended by the next of the same source, and by
// no other.
func TestLatestRestoreTest(t *testing.T) {
	r := newRepository(t, mem.New())
	at := noon
	test := func(source string, problems int, verdict Verdict) {
		at = at.Add(time.Hour)
		rec := Record{Kind: Restore, Time: at, Read: Part, Problems: problems, RestoreTest: &RestoreTest{Source: source, Verdict: verdict}}
		rec.RestoreTest.From.Repository = r.ID()
		save(t, r, rec)
	}
	want := func(name string, wantGood, wantBad bool) {
		t.Helper()
		good, bad, err := Latest(t.Context(), r, noon.AddDate(1, 0, 0))
		if err != nil || (good != nil) != wantGood || (bad != nil) != wantBad {
			t.Errorf("%s: %+v, %+v, %v", name, good, bad, err)
		}
	}
	test("a", 1, Failed)
	want("failed", false, true)
	test("b", 0, Proven)
	want("another is good", false, true)
	test("a", 0, Proven)
	want("it is good again", true, false)
	test("a", 1, NotJudged)
	want("not judged", true, false)
	save(t, r, Record{Kind: Restore, Time: at.Add(time.Hour), Read: Part, Problems: 1, RestoreTest: &RestoreTest{Verdict: Failed}})
	want("another repository's", true, false)
}

func TestRecordsAreSealed(t *testing.T) {
	s := mem.New()
	r := newRepository(t, s)
	key := save(t, r, Record{Kind: Check, Time: noon, Read: All, Host: "secret-host"})
	if !strings.HasPrefix(key, "holdfast/evidence/20260301T120000.000Z-check-") {
		t.Error(key)
	}
	stored, err := storage.ReadAll(t.Context(), s, key)
	if err != nil || bytes.Contains(stored, []byte("secret-host")) {
		t.Errorf("it can be read without the key: %v", err)
	}
	stored = bytes.Clone(stored)
	stored[len(stored)-1] ^= 1
	s.Overwrite(key, stored)
	if _, err := Load(t.Context(), r, key); !repository.IsCorrupt(err) {
		t.Errorf("a changed record is taken for good: %v", err)
	}
	if _, _, err := Latest(t.Context(), r, noon.AddDate(1, 0, 0)); !repository.IsCorrupt(err) {
		t.Errorf("a changed record goes unnoticed: %v", err)
	}
}

// A record of one repository proves nothing about another, and not at another
// time.
func TestRecordsBelongWhereTheyAre(t *testing.T) {
	s, other := mem.New(), mem.New()
	r := newRepository(t, s)
	key := save(t, r, Record{Kind: Check, Time: noon, Read: All})
	stored, err := storage.ReadAll(t.Context(), s, key)
	if err != nil {
		t.Fatal(err)
	}
	later := strings.Replace(key, "20260301", "20270301", 1)
	for _, place := range []struct {
		s   storage.Store
		key string
	}{{s, later}, {other, key}} {
		if err := place.s.Put(t.Context(), place.key, storage.Bytes(stored), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Load(t.Context(), r, later); err == nil {
		t.Error("a record was taken under a later name")
	}
	fresh := mem.New()
	second := newRepository(t, fresh)
	if err := fresh.Put(t.Context(), key, storage.Bytes(stored), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(t.Context(), second, key); err == nil {
		t.Error("a record of another repository was taken")
	}
}
