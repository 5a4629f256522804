package s3_test

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/test/servers"

	"github.com/minio/minio-go/v7"
)

func putLocked(t *testing.T, s storage.Store, key string, r storage.Retention) {
	t.Helper()
	if err := s.Put(t.Context(), key, storage.Bytes([]byte("content of "+key)), storage.PutOptions{Retention: r}); err != nil {
		t.Fatal(err)
	}
}

func wantRetention(t *testing.T, s storage.Locker, key string, want storage.Retention) {
	t.Helper()
	got, err := s.Retention(t.Context(), key)
	if err != nil || got.Mode != want.Mode || !got.Until.Equal(want.Until) {
		t.Errorf("Retention(%s) = %v, %v, want %v", key, got, err, want)
	}
}

func TestLockedFromTheFirstInstant(t *testing.T) {
	o := place(t, servers.WithObjectLock())
	s := open(t, o)
	if err := s.CheckLocking(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.SetParts(6<<20, 5<<20)
	until := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	for _, mode := range []storage.RetentionMode{storage.Governance, storage.Compliance} {
		key := "data/" + string(mode)
		putLocked(t, s, key, storage.Retention{Mode: mode, Until: until.Add(-time.Nanosecond)})
		wantRetention(t, s, key, storage.Retention{Mode: mode, Until: until})
	}
	large := make([]byte, 7<<20)
	if err := s.Put(t.Context(), "data/parts", storage.Bytes(large), storage.PutOptions{Retention: storage.Retention{Mode: storage.Compliance, Until: until}}); err != nil {
		t.Fatal(err)
	}
	wantRetention(t, s, "data/parts", storage.Retention{Mode: storage.Compliance, Until: until})
	put(t, s, "locks/1", "not locked")
	wantRetention(t, s, "locks/1", storage.Retention{})

	// The service itself keeps the version, whoever asks.
	client := servers.S3(t).Client()
	for _, key := range []string{"data/compliance", "data/parts"} {
		v, err := client.StatObject(t.Context(), o.Bucket, "some/prefix/"+key, minio.StatObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		err = client.RemoveObject(t.Context(), o.Bucket, v.Key, minio.RemoveObjectOptions{VersionID: v.VersionID, GovernanceBypass: true})
		if err == nil {
			t.Errorf("the locked version of %s was deleted", key)
		}
	}
	// A plain Delete hides the object, and does no harm.
	if err := s.Delete(t.Context(), "data/compliance"); err != nil {
		t.Fatal(err)
	}
	if err := s.Undelete(t.Context(), "data/compliance"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, "data/compliance"); got != "content of data/compliance" {
		t.Errorf("after Undelete it is %q", got)
	}
}

func TestExtendNeverLoosens(t *testing.T) {
	s := open(t, place(t, servers.WithObjectLock()))
	now := time.Now().Truncate(time.Second).UTC()
	none := storage.Retention{}
	gov := func(d time.Duration) storage.Retention {
		return storage.Retention{Mode: storage.Governance, Until: now.Add(d)}
	}
	com := func(d time.Duration) storage.Retention {
		return storage.Retention{Mode: storage.Compliance, Until: now.Add(d)}
	}
	tests := []struct {
		name           string
		is, want, then storage.Retention
	}{
		{"nothing", none, gov(time.Hour), gov(time.Hour)},
		{"longer", gov(time.Hour), gov(2 * time.Hour), gov(2 * time.Hour)},
		{"longer compliance", com(time.Hour), com(2 * time.Hour), com(2 * time.Hour)},
		{"shorter", gov(2 * time.Hour), gov(time.Hour), gov(2 * time.Hour)},
		{"shorter compliance", com(2 * time.Hour), com(time.Hour), com(2 * time.Hour)},
		{"the same", com(time.Hour), com(time.Hour), com(time.Hour)},
		{"stricter", gov(time.Hour), com(time.Hour), com(time.Hour)},
		{"stricter and shorter", gov(2 * time.Hour), com(time.Hour), com(2 * time.Hour)},
		{"looser and longer", com(time.Hour), gov(2 * time.Hour), com(2 * time.Hour)},
		{"looser and shorter", com(2 * time.Hour), gov(time.Hour), com(2 * time.Hour)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			key := "data/" + test.name
			putLocked(t, s, key, test.is)
			if err := s.Extend(t.Context(), key, test.want); err != nil {
				t.Fatal(err)
			}
			wantRetention(t, s, key, test.then)
		})
	}
	if err := s.Extend(t.Context(), "data/none", gov(time.Hour)); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Extend of nothing = %v", err)
	}
	if _, err := s.Retention(t.Context(), "data/none"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Retention of nothing = %v", err)
	}
}

func TestBucketWithoutLocking(t *testing.T) {
	s := open(t, place(t))
	r := storage.Retention{Mode: storage.Governance, Until: time.Now().Add(time.Hour)}
	put(t, s, "data/1", "x")
	for name, err := range map[string]error{
		"CheckLocking": s.CheckLocking(t.Context()),
		"Extend":       s.Extend(t.Context(), "data/1", r),
		"Put":          s.Put(t.Context(), "data/2", storage.Bytes([]byte("x")), storage.PutOptions{Retention: r}),
	} {
		if !errors.Is(err, storage.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s = %v, want ErrUnsupported", name, err)
		}
	}
	wantRetention(t, s, "data/1", storage.Retention{})
	if got := keys(t, s, "data/"); len(got) != 1 {
		t.Errorf("a Put that asks for the impossible leaves %q", got)
	}
}

func TestCreateMakesALockedBucket(t *testing.T) {
	o := place(t)
	o.Bucket += "-new"
	o.ObjectLock = true
	for range 2 { // the second finds it there
		s, err := createStore(t, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.CheckLocking(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
