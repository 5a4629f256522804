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
	"holdfast/repository/id"
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

// backUpFile makes a snapshot of a folder with a file whose content lies in a
// pack of its own, which it returns.
func backUpFile(t *testing.T, r *repository.Repository, at time.Time) (*snapshot.Snapshot, id.ID) {
	t.Helper()
	w, err := r.NewWriter(t.Context(), repository.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	content, err := w.Save(t.Context(), blob.Data, []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	below, root := tree.NewBuilder(), tree.NewBuilder()
	if err := below.Add(&tree.Node{Name: "file", Type: tree.File, Content: []id.ID{content.ID}}); err != nil {
		t.Fatal(err)
	}
	folder, err := w.Save(t.Context(), blob.Tree, below.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := root.Add(&tree.Node{Name: "folder", Type: tree.Dir, Subtree: &folder.ID}); err != nil {
		t.Fatal(err)
	}
	saved, err := w.Save(t.Context(), blob.Tree, root.Bytes())
	if err := errors.Join(err, w.Flush(t.Context()), w.Close()); err != nil {
		t.Fatal(err)
	}
	s := &snapshot.Snapshot{Time: at, Tree: saved.ID, Hostname: "www", Paths: []string{"/"}}
	if err := r.SaveSnapshot(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	l, ok := r.Index().Lookup(blob.Handle{ID: content.ID, Type: blob.Data})
	if !ok {
		t.Fatal("the content is not indexed")
	}
	return s, l.Pack
}

// One of the objects looked at without a lock is enough for nothing to be
// immutable: an old pack as well as the newest snapshot.
func TestProtection(t *testing.T) {
	bucket, r := newBucket(t)
	_, old := backUpFile(t, r, now)
	if s, _ := look(t, r); s.Mode != "" || !s.Until.IsZero() {
		t.Errorf("nothing is locked: %+v", s)
	}
	later, sooner := time.Now().Add(48*time.Hour), time.Now().Add(24*time.Hour)
	var needed []string
	err := bucket.List(t.Context(), "", func(i storage.Info) error {
		if !strings.HasPrefix(i.Key, "index/") && !strings.HasPrefix(i.Key, "locks/") {
			needed = append(needed, i.Key)
		}
		return nil
	})
	if err != nil || len(needed) != 5 {
		t.Fatal(needed, err) // the config, the key, the snapshot, a pack of folders and one of content
	}
	last := repository.PackFile.Key(old)
	for _, key := range needed {
		if key == last {
			continue
		}
		if err := bucket.Extend(t.Context(), key, storage.Retention{Mode: storage.Compliance, Until: later}); err != nil {
			t.Fatal(err)
		}
		if s, _ := look(t, r); s.Mode != "" {
			t.Errorf("with no more than %s locked: %+v", key, s)
		}
	}
	if err := bucket.Extend(t.Context(), last, storage.Retention{Mode: storage.Governance, Until: sooner}); err != nil {
		t.Fatal(err)
	}
	if s, _ := look(t, r); s.Mode != storage.Governance || !s.Until.Equal(sooner) {
		t.Errorf("the weakest counts: %+v", s)
	}
}

// A copy that somebody emptied behind our back holds nothing, whatever it lists.
func TestWhatIsGoneIsSeen(t *testing.T) {
	for name, gone := range map[string]func(s *snapshot.Snapshot, content id.ID) string{
		"content": func(_ *snapshot.Snapshot, content id.ID) string { return repository.PackFile.Key(content) },
		"packs":   func(*snapshot.Snapshot, id.ID) string { return "data/" },
		"index":   func(*snapshot.Snapshot, id.ID) string { return "index/" },
	} {
		t.Run(name, func(t *testing.T) {
			bucket, r := newBucket(t)
			made, content := backUpFile(t, r, now.Add(-time.Hour))
			if s, warnings := look(t, r); s.Lost != "" || warnings != "" {
				t.Fatalf("nothing is gone: %q, %q", s.Lost, warnings)
			}
			what := gone(made, content)
			err := bucket.List(t.Context(), "", func(i storage.Info) error {
				if !strings.HasPrefix(i.Key, what) {
					return nil
				}
				return bucket.Delete(t.Context(), i.Key)
			})
			if err != nil {
				t.Fatal(err)
			}
			if s, _ := look(t, r); s.Lost == "" || s.Points["plan"]["www"].IsZero() {
				t.Errorf("%+v", s)
			}
		})
	}
}

// What a prune takes away with its snapshot while nobody holds a lock is not
// lost.
func TestAPrunedSnapshotIsNotLost(t *testing.T) {
	bucket, r := newBucket(t)
	made, content := backUpFile(t, r, now.Add(-time.Hour))
	for _, key := range []string{repository.PackFile.Key(content), repository.SnapshotFile.Key(made.ID)} {
		if err := bucket.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	s := new(Survey)
	if packs, err := s.lookAtNeeds(t.Context(), r, made); s.Lost != "" || len(packs) > 0 || err != nil {
		t.Errorf("%q, %v, %v", s.Lost, packs, err)
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
