package verify

import (
	"math/rand/v2"
	"testing"
	"time"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// A check of a repository whose file content lies in cold classes reads what
// can be read, says what was left out, and finds nothing wrong.
func TestColdPacksAreSkipped(t *testing.T) {
	const day = 24 * time.Hour
	for class, readable := range map[string]bool{"GLACIER": false, "GLACIER_IR": true} {
		t.Run(class, func(t *testing.T) {
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			b := mem.NewBucket(mem.BucketOptions{Now: func() time.Time { return now }, Settings: storage.Settings{Rules: []storage.LifecycleRule{{
				Enabled: true, Prefix: "data/", MarkedOnly: true,
				Actions: []storage.LifecycleAction{{Kind: storage.Transition, After: 30 * day, Class: class}},
			}}}})
			r := coldRepository(t, b)
			now = now.Add(31 * day)

			report := mustCheck(t, r, Options{ReadData: true, SkipCold: func(c string) bool { return c == class }})
			if report.ColdPacks != 1 || report.ColdBytes == 0 || report.PacksRead != 1 {
				t.Errorf("skipping: %+v", report)
			}
			report = mustCheck(t, r, Options{ReadData: true})
			if want := map[bool]uint64{true: 2, false: 1}[readable]; report.PacksRead != want {
				t.Errorf("including cold packs: %d packs read, want %d", report.PacksRead, want)
			}
			if report = mustCheck(t, r, Options{}); report.ColdPacks != 0 {
				t.Errorf("without reading data, nothing is skipped: %+v", report)
			}
		})
	}
}

func mustCheck(t *testing.T, r *repository.Repository, o Options) *Report {
	t.Helper()
	report, err := Check(t.Context(), r, o)
	if err != nil || !report.Sound() {
		t.Fatalf("%v, %+v", err, report)
	}
	return report
}

// coldRepository makes a repository with a pack of file content and one of
// folders.
func coldRepository(t *testing.T, s storage.Store) *repository.Repository {
	t.Helper()
	cheap := repository.InitOptions{Password: []byte("x"), KeyCost: repository.KeyCost{N: 2, R: 1, P: 1}}
	r, err := repository.Init(t.Context(), s, cheap, repository.Options{Password: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	w, err := r.NewWriter(t.Context(), repository.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, 100_000)
	rand.NewChaCha8([32]byte{1}).Read(content) //nolint:errcheck // it never fails
	data, err := w.Save(t.Context(), blob.Data, content)
	if err != nil {
		t.Fatal(err)
	}
	folder := tree.NewBuilder()
	err = folder.Add(&tree.Node{Name: "f", Type: tree.File, Mode: 0o644, Size: uint64(len(content)), Content: []id.ID{data.ID}})
	if err != nil {
		t.Fatal(err)
	}
	root, err := w.Save(t.Context(), blob.Tree, folder.Bytes())
	if err == nil {
		err = w.Flush(t.Context())
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = r.SaveSnapshot(t.Context(), &snapshot.Snapshot{Time: time.Now(), Tree: root.ID, Paths: []string{"/f"}, Hostname: "h"})
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}
