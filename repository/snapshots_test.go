package repository

import (
	"errors"
	"testing"
	"time"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

func saveSnapshot(t *testing.T, r *Repository, at time.Time) id.ID {
	t.Helper()
	s := &snapshot.Snapshot{Time: at, Tree: id.Random(), Paths: []string{"/x"}}
	if err := r.SaveSnapshot(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return s.ID
}

func TestSnapshots(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	now := time.Now()
	late, early, bad := saveSnapshot(t, r, now), saveSnapshot(t, r, now.Add(-time.Hour)), saveSnapshot(t, r, now)
	whole := s.Clone()
	damage(t, s, SnapshotFile.Key(bad), flipBit(9))
	found, err := r.Snapshots(t.Context())
	if len(found) != 2 || found[0].ID != early || found[1].ID != late {
		t.Errorf("%d snapshots", len(found))
	}
	var c *CorruptError
	if !errors.As(err, &c) || c.Kind != SnapshotFile || c.ID != bad {
		t.Errorf("got %v, want the damaged one", err)
	}

	// One is removed between the listing and its reading.
	f := fault.New(whole, 1, fault.Rule{Op: fault.OpGet, Prefix: SnapshotFile.Key(bad), Fault: fault.Before(storage.ErrNotFound)})
	found, err = openRepository(t, f, Options{}).Snapshots(t.Context())
	if len(found) != 2 || err != nil {
		t.Errorf("%d snapshots, %v", len(found), err)
	}
}

func TestIndexFiles(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	ids := store(t, r, blob.Data, texts(5)...)
	first := filesOf(t, s, IndexFile)
	more := store(t, r, blob.Tree, []byte(`{"nodes":[]}`))
	for i := range filesOf(t, s, IndexFile) {
		if _, ok := first[i]; !ok {
			damage(t, s, IndexFile.Key(i), flipBit(50))
			err := r.DecodeIndexFile(t.Context(), i, func(id.ID, []blob.Blob) error { return nil })
			if !IsCorrupt(err) {
				t.Errorf("DecodeIndexFile = %v", err)
			}
			if err := r.VerifyFile(t.Context(), IndexFile, i); !IsCorrupt(err) {
				t.Errorf("VerifyFile = %v", err)
			}
		}
	}
	again, err := Open(t.Context(), s, Options{Password: testPassword})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close() //nolint:errcheck // temporary files
	err = again.LoadIndex(t.Context())
	if files, ok := DamagedIndexFiles(err); !ok || len(files) != 1 || !IsCorrupt(err) {
		t.Errorf("LoadIndex = %v", err)
	}
	if !again.Index().Has(data(ids[0])) || again.Index().Has(tree(more[0])) {
		t.Error("the index does not hold exactly what the sound file lists")
	}
}

func TestReadOnlyChangesNothing(t *testing.T) {
	s := mem.New()
	w := initRepository(t, s, Options{})
	i := saveSnapshot(t, w, time.Now())
	f := fault.New(s, 1)
	r := openRepository(t, f, Options{ReadOnly: true})
	_, removedLocks := r.RemoveStaleLocks(t.Context(), true)
	_, index := r.SaveIndex(t.Context(), nil)
	_, password := r.ChangePassword(t.Context(), []byte("x"), weakKey)
	for name, err := range map[string]error{
		"RemoveFile":       r.RemoveFile(t.Context(), SnapshotFile, i),
		"RemoveFiles":      r.RemoveFiles(t.Context(), SnapshotFile, []id.ID{i}, nil),
		"RemoveKey":        r.RemoveKey(t.Context(), id.Random()),
		"RemoveStaleLocks": removedLocks,
		"SaveIndex":        index,
		"ChangePassword":   password,
		"SaveSnapshot":     r.SaveSnapshot(t.Context(), &snapshot.Snapshot{}),
	} {
		if !errors.Is(err, storage.ErrReadOnly) {
			t.Errorf("%s = %v", name, err)
		}
	}
	for _, c := range f.Calls() {
		if c.Op.Changes() {
			t.Errorf("%s %s", c.Op, c.Key)
		}
	}
}
