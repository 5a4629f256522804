package azure_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/azure"
	"holdfast/storage/storagetest"
)

func fakeStore(t *testing.T) (*fakeService, *azure.Store) {
	t.Helper()
	f, o := newFake(t)
	s, err := azure.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return f, s
}

// The fake is no easier than the real server.
func TestContractOfTheFake(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		f, s := fakeStore(t)
		f.change(func() { f.now = time.Now() })
		return s
	})
}

func store(t *testing.T, s storage.Store, key, data string, o storage.PutOptions) {
	t.Helper()
	if err := s.Put(t.Context(), key, storage.Bytes([]byte(data)), o); err != nil {
		t.Fatal(err)
	}
}

func wantBytes(t *testing.T, s storage.Store, key, data string) {
	t.Helper()
	got, err := storage.ReadAll(t.Context(), s, key)
	if err != nil || string(got) != data {
		t.Errorf("%s holds %q, %v, want %q", key, got, err, data)
	}
}

func wantRetention(t *testing.T, s storage.Locker, key string, want storage.Retention) {
	t.Helper()
	got, err := s.Retention(t.Context(), key)
	if err != nil || got.Mode != want.Mode || !got.Until.Equal(want.Until) {
		t.Errorf("Retention(%s) = %v, %v, want %v", key, got, err, want)
	}
}

func TestRetention(t *testing.T) {
	f, s := fakeStore(t)
	ctx := t.Context()
	week := storage.Retention{Mode: storage.Governance, Until: noon.Add(7 * 24 * time.Hour)}

	if err := s.CheckLocking(ctx); !errors.Is(err, storage.ErrUnsupported) {
		t.Errorf("CheckLocking without support = %v, want ErrUnsupported", err)
	}
	if err := s.Put(ctx, "data/a", storage.Bytes(nil), storage.PutOptions{Retention: week}); !errors.Is(err, storage.ErrUnsupported) {
		t.Errorf("Put with a retention without support = %v, want ErrUnsupported", err)
	}
	f.change(func() { f.locking = true })
	if err := s.CheckLocking(ctx); err != nil {
		t.Fatal(err)
	}

	store(t, s, "data/a", "content", storage.PutOptions{Retention: week})
	wantRetention(t, s, "data/a", week)
	if err := s.Delete(ctx, "data/a"); !errors.Is(err, storage.ErrImmutable) {
		t.Errorf("Delete of an immutable object = %v, want ErrImmutable", err)
	}
	store(t, s, "locks/a", "", storage.PutOptions{})
	wantRetention(t, s, "locks/a", storage.Retention{})

	f.pass(8 * 24 * time.Hour)
	wantRetention(t, s, "data/a", storage.Retention{})
	if err := s.Delete(ctx, "data/a"); err != nil {
		t.Errorf("Delete after the retention = %v", err)
	}
}

// A service that takes the headers of a retention and forgets them must not
// pass for one that keeps it.
func TestRetentionThatIsForgotten(t *testing.T) {
	f, s := fakeStore(t)
	f.change(func() { f.locking, f.forgets = true, true })
	err := s.Put(t.Context(), "data/a", storage.Bytes(nil), storage.PutOptions{
		Retention: storage.Retention{Mode: storage.Compliance, Until: time.Now().Add(time.Hour)},
	})
	if !errors.Is(err, storage.ErrUnsupported) {
		t.Errorf("Put = %v, want ErrUnsupported", err)
	}
	if got := keysOf(t, s); len(got) != 0 {
		t.Errorf("there is %q, which nothing protects", got)
	}
}

func TestExtendNeverLoosens(t *testing.T) {
	f, s := fakeStore(t)
	f.change(func() { f.locking = true })
	store(t, s, "data/a", "content", storage.PutOptions{})
	day := func(n int) time.Time { return noon.AddDate(0, 0, n) }
	for _, step := range []struct{ extend, want storage.Retention }{
		{storage.Retention{Mode: storage.Governance, Until: day(5)}, storage.Retention{Mode: storage.Governance, Until: day(5)}},
		{storage.Retention{Mode: storage.Governance, Until: day(3)}, storage.Retention{Mode: storage.Governance, Until: day(5)}},
		{storage.Retention{Mode: storage.Compliance, Until: day(3)}, storage.Retention{Mode: storage.Compliance, Until: day(5)}},
		{storage.Retention{Mode: storage.Governance, Until: day(9)}, storage.Retention{Mode: storage.Compliance, Until: day(9)}},
		// No retention ends early because the service counts whole seconds.
		{storage.Retention{Mode: storage.Compliance, Until: day(10).Add(time.Millisecond)}, storage.Retention{Mode: storage.Compliance, Until: day(10).Add(time.Second)}},
		{storage.Retention{Mode: storage.Compliance, Until: day(10).Add(time.Millisecond)}, storage.Retention{Mode: storage.Compliance, Until: day(10).Add(time.Second)}},
	} {
		if err := s.Extend(t.Context(), "data/a", step.extend); err != nil {
			t.Fatalf("Extend(%v): %v", step.extend, err)
		}
		wantRetention(t, s, "data/a", step.want)
	}
	if err := s.Extend(t.Context(), "nothing", storage.Retention{Mode: storage.Governance, Until: day(1)}); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Extend of nothing = %v, want ErrNotFound", err)
	}
}

func TestLegalHold(t *testing.T) {
	f, s := fakeStore(t)
	store(t, s, "data/a", "content", storage.PutOptions{})
	f.change(func() { f.blobs["root/data/a"][0].hold = true })
	if err := s.Delete(t.Context(), "data/a"); !errors.Is(err, storage.ErrImmutable) {
		t.Errorf("Delete under a legal hold = %v, want ErrImmutable", err)
	}
}

func keysOf(t *testing.T, s storage.Store) []string {
	t.Helper()
	keys := []string{}
	if err := s.List(t.Context(), "", func(i storage.Info) error { keys = append(keys, i.Key); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

// TestAsOf has somebody with all credentials but those for versions delete
// and overwrite everything.
func TestAsOf(t *testing.T) {
	f, s := fakeStore(t)
	ctx := t.Context()
	if err := s.CheckVersions(ctx); !errors.Is(err, storage.ErrUnsupported) {
		t.Errorf("CheckVersions of an empty container = %v, want ErrUnsupported", err)
	}
	store(t, s, "config", "good config", storage.PutOptions{})
	if err := s.CheckVersions(ctx); !errors.Is(err, storage.ErrUnsupported) || !strings.Contains(err.Error(), "--enable-versioning") {
		t.Errorf("CheckVersions without versions = %v, want ErrUnsupported and what to do", err)
	}
	f.change(func() { f.versioning = true })
	f.pass(time.Hour)
	objects := []string{"config", "data/a", "data/b", "data/bb", "index/c"}
	for _, key := range objects[1:] {
		store(t, s, key, "good "+key, storage.PutOptions{})
	}
	if err := s.CheckVersions(ctx); err != nil {
		t.Errorf("CheckVersions = %v", err)
	}
	f.pass(time.Hour)
	var before time.Time
	f.change(func() { before = f.now })
	f.pass(time.Hour)

	for _, key := range objects {
		if err := s.Delete(ctx, key); err != nil {
			t.Fatal(err)
		}
	}
	store(t, s, "data/b", "evil", storage.PutOptions{})
	store(t, s, "data/new", "evil", storage.PutOptions{})
	if got := keysOf(t, s); !slices.Equal(got, []string{"data/b", "data/new"}) {
		t.Fatalf("after the attack there are %q", got)
	}

	past := s.AsOf(before)
	if got := keysOf(t, past); !slices.Equal(got, objects) {
		t.Errorf("as of before there are %q, want %q", got, objects)
	}
	for range 2 { // the second time from what it remembers
		for _, key := range objects {
			wantBytes(t, past, key, "good "+key)
		}
	}
	if info, err := past.Stat(ctx, "data/bb"); err != nil || info.SizeBytes != int64(len("good data/bb")) || !info.Stored.Before(before) {
		t.Errorf("Stat = %+v, %v", info, err)
	}
	if _, err := past.Stat(ctx, "data/new"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Stat of what came later = %v, want ErrNotFound", err)
	}
	if err := past.Put(ctx, "x", storage.Bytes(nil), storage.PutOptions{}); !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("Put into the past = %v, want ErrReadOnly", err)
	}
	if err := past.Delete(ctx, "config"); !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("Delete from the past = %v, want ErrReadOnly", err)
	}
	if got := keysOf(t, s.AsOf(noon.Add(-time.Hour))); len(got) != 0 {
		t.Errorf("before everything there was %q", got)
	}

	for range 2 { // the second time it is there
		if err := s.Undelete(ctx, "data/a"); err != nil {
			t.Fatal(err)
		}
		wantBytes(t, s, "data/a", "good data/a")
	}
	if err := s.Undelete(ctx, "data/never"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Undelete of nothing = %v, want ErrNotFound", err)
	}
}

func TestUndeleteOfSoftDeleted(t *testing.T) {
	for _, versioning := range []bool{false, true} {
		f, s := fakeStore(t)
		f.change(func() { f.softDelete, f.versioning = true, versioning })
		store(t, s, "data/a", "content", storage.PutOptions{})
		if err := s.Delete(t.Context(), "data/a"); err != nil {
			t.Fatal(err)
		}
		if versioning { // and then the version, too
			f.change(func() { f.blobs["root/data/a"][0].softDeleted = true })
		}
		if got := keysOf(t, s); len(got) != 0 {
			t.Errorf("softly deleted objects are listed: %q", got)
		}
		if err := s.Undelete(t.Context(), "data/a"); err != nil {
			t.Fatalf("versioning %v: %v", versioning, err)
		}
		wantBytes(t, s, "data/a", "content")
	}
}

func TestThawTakesItsTime(t *testing.T) {
	f, s := fakeStore(t)
	ctx := t.Context()
	store(t, s, "data/a", "content", storage.PutOptions{})
	f.change(func() { f.blobs["root/data/a"][0].tier = "Archive" })
	if _, err := s.Get(ctx, "data/a", 0, -1); !errors.Is(err, storage.ErrCold) {
		t.Errorf("Get = %v, want ErrCold", err)
	}
	for range 2 { // asking twice is no error
		if err := s.Thaw(ctx, "data/a", storage.ThawOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Tier(ctx, "data/a"); err != nil || got != (storage.Tier{Class: "Archive", Cold: true, Thawing: true}) {
		t.Errorf("Tier while it thaws = %+v, %v", got, err)
	}
	f.change(func() { v := f.blobs["root/data/a"][0]; v.tier, v.rehydrating = "Hot", false })
	wantBytes(t, s, "data/a", "content")
}

func TestSettings(t *testing.T) {
	f, s := fakeStore(t)
	f.change(func() { f.locking, f.versioning = true, true })
	store(t, s, "config", "x", storage.PutOptions{})
	got, err := s.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Root != "container/root/" || got.Versioning != storage.On || got.Locking != storage.On {
		t.Errorf("Settings = %+v", got)
	}
	if err := got.Unread[storage.SettingLifecycle]; !errors.Is(err, storage.ErrUnsupported) || !strings.Contains(err.Error(), "az storage account management-policy show") {
		t.Errorf("lifecycle rules unread because of %v", err)
	}
}

// Rules can only be set with the account's management interface. The error
// is the way to do it.
func TestApplyTellsTheCommands(t *testing.T) {
	_, s := fakeStore(t)
	err := s.Apply(t.Context(), storage.SettingChanges{
		Versioning: true, SetRules: true, Rules: []storage.LifecycleRule{{
			ID: "cold-data", Enabled: true, Prefix: "container/root/data/", MarkedOnly: true,
			Actions: []storage.LifecycleAction{{Kind: storage.Transition, After: 30 * 24 * time.Hour, Class: "archive"}},
		}, {
			ID: "old-versions", Enabled: true, Prefix: "container/root/",
			Actions: []storage.LifecycleAction{{Kind: storage.ExpireNoncurrent, After: 90 * 24 * time.Hour}, {Kind: storage.AbortUploads, After: 24 * time.Hour}},
		}},
	})
	if !errors.Is(err, storage.ErrUnsupported) {
		t.Fatalf("Apply = %v, want ErrUnsupported", err)
	}
	for _, part := range []string{
		"az storage account blob-service-properties update --account-name account --enable-versioning true",
		"az storage account management-policy create --account-name account",
		`"name": "holdfast-container-root-cold-data"`,
		`"container/root/data/"`,
		`"tierToArchive": { "daysAfterModificationGreaterThan": 30, "daysAfterLastTierChangeGreaterThan": 7 }`,
		`"blobIndexMatch": [ { "name": "holdfast", "op": "==", "value": "bulk" } ]`,
		`"version": { "delete": { "daysAfterCreationGreaterThan": 90 } }`,
	} {
		if !strings.Contains(strings.Join(strings.Fields(err.Error()), " "), part) {
			t.Errorf("Apply does not say %s:\n%v", part, err)
		}
	}
}

func TestPermissionIsNotRetried(t *testing.T) {
	o := hostile(t, refusing(403, "AuthorizationPermissionMismatch"))
	s, err := azure.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Stat(t.Context(), "config")
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "Storage Blob Data Contributor") {
		t.Errorf("Stat = %v, want fs.ErrPermission and what to do", err)
	}
}
