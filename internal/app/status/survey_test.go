package status

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/evidence"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage"
	"holdfast/storage/mem"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// newBucket makes a repository in a bucket with object lock.
func newBucket(t *testing.T) (*mem.Bucket, *repository.Repository) {
	t.Helper()
	bucket := mem.NewBucket(mem.BucketOptions{Settings: storage.Settings{Versioning: storage.On, Locking: storage.On}})
	in := repository.InitOptions{Password: []byte("correct horse"), KeyCost: repository.KeyCost{N: 2, R: 1, P: 1}}
	r, err := repository.Init(t.Context(), bucket, in, repository.Options{})
	if err == nil {
		err = r.LoadIndex(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return bucket, r
}

// backUp makes a snapshot of an empty folder.
func backUp(t *testing.T, r *repository.Repository, at time.Time, host string) *snapshot.Snapshot {
	t.Helper()
	w, err := r.NewWriter(t.Context(), repository.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	root, err := w.Save(t.Context(), blob.Tree, tree.NewBuilder().Bytes())
	if err := errors.Join(err, w.Flush(t.Context()), w.Close()); err != nil {
		t.Fatal(err)
	}
	s := &snapshot.Snapshot{Time: at, Tree: root.ID, Hostname: host, Paths: []string{"/"}}
	if err := r.SaveSnapshot(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return s
}

func look(t *testing.T, r *repository.Repository) (*Survey, string) {
	t.Helper()
	var warnings []string
	s, err := Look(t.Context(), r, now, func(s *snapshot.Snapshot) []Key { return []Key{{"plan", s.Hostname}} }, func(err error) {
		if err != nil {
			warnings = append(warnings, err.Error())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, strings.Join(warnings, "\n")
}

func TestPoints(t *testing.T) {
	_, r := newBucket(t)
	backUp(t, r, now.Add(-3*time.Hour), "www")
	backUp(t, r, now.Add(-2*time.Hour), "www")
	backUp(t, r, now.Add(-5*time.Hour), "db")
	backUp(t, r, now.Add(24*time.Hour), "db")
	s, warnings := look(t, r)
	points := s.Points["plan"]
	if len(points) != 2 || !points["www"].Equal(now.Add(-2*time.Hour)) || !points["db"].Equal(now.Add(-5*time.Hour)) || s.Snapshots != 4 {
		t.Errorf("%+v", s)
	}
	if !strings.Contains(warnings, "in the future") {
		t.Errorf("a forged date goes unnoticed: %q", warnings)
	}
}

// The newest snapshot and its packs count; one object without a lock is
// enough for nothing to be immutable.
func TestProtection(t *testing.T) {
	bucket, r := newBucket(t)
	made := backUp(t, r, now, "www")
	if s, _ := look(t, r); s.Mode != "" || !s.Until.IsZero() {
		t.Errorf("nothing is locked: %+v", s)
	}
	later, sooner := time.Now().Add(48*time.Hour), time.Now().Add(24*time.Hour)
	if err := bucket.Extend(t.Context(), repository.SnapshotFile.Key(made.ID), storage.Retention{Mode: storage.Compliance, Until: later}); err != nil {
		t.Fatal(err)
	}
	if s, _ := look(t, r); s.Mode != "" {
		t.Errorf("the pack is not locked: %+v", s)
	}
	for _, l := range r.Index().LookupAll(nil, blob.Handle{ID: made.Tree, Type: blob.Tree}) {
		if err := bucket.Extend(t.Context(), repository.PackFile.Key(l.Pack), storage.Retention{Mode: storage.Governance, Until: sooner}); err != nil {
			t.Fatal(err)
		}
	}
	if s, _ := look(t, r); s.Mode != storage.Governance || !s.Until.Equal(sooner) {
		t.Errorf("the weakest counts: %+v", s)
	}
}

func TestMemory(t *testing.T) {
	_, r := newBucket(t)
	backUp(t, r, now.Add(-time.Hour), "www")
	if _, err := evidence.Save(t.Context(), r, evidence.Record{Kind: evidence.Check, Time: now, Read: evidence.All}, nil); err != nil {
		t.Fatal(err)
	}
	seen, _ := look(t, r)
	m := Memory{t.TempDir()}
	if s, err := m.Recall("place"); s != nil || err != nil {
		t.Errorf("%+v, %v", s, err)
	}
	for range 2 {
		if err := m.Keep("place", seen); err != nil {
			t.Fatal(err)
		}
	}
	s, err := m.Recall("place")
	if err != nil || !s.Points["plan"]["www"].Equal(now.Add(-time.Hour)) || s.Good == nil || s.Good.Kind != evidence.Check {
		t.Errorf("%+v, %v", s, err)
	}
	if err := os.WriteFile(m.path("place"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Recall("place"); err == nil {
		t.Error("half a file was taken")
	}
	if err := (Memory{}).Keep("place", seen); err != nil {
		t.Error(err)
	}
}

// Of the restore tests that were good some of other sizes are kept beside the
// newest; of those that failed the newest.
func TestTestsOfSeveralSizes(t *testing.T) {
	_, r := newBucket(t)
	for n, test := range []struct {
		bytes   uint64
		verdict evidence.Verdict
	}{
		{700, evidence.Proven}, // one too many
		{100, evidence.Proven},
		{50, evidence.Failed},
		{90, evidence.Failed},
		{200, evidence.Proven},
		{390, evidence.Proven}, // as large as the newest, nearly
		{400, evidence.Proven},
	} {
		rec := evidence.Record{Kind: evidence.Restore, Time: now.Add(time.Duration(n) * time.Minute), RestoreTest: &evidence.RestoreTest{
			Plan: "plan", Source: "www", Verdict: test.verdict, Bytes: test.bytes,
		}}
		if _, err := evidence.Save(t.Context(), r, rec, nil); err != nil {
			t.Fatal(err)
		}
	}
	s, warnings := look(t, r)
	var sizes []uint64
	for _, one := range s.Tests {
		sizes = append(sizes, one.Bytes)
	}
	if want := []uint64{400, 200, 90, 100}; !slices.Equal(sizes, want) {
		t.Errorf("kept are those of %d bytes, want %d (%s)", sizes, want, warnings)
	}
}
