package gcs_test

import (
	"errors"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/gcs"
	"holdfast/storage/retry"
	"holdfast/storage/storagetest"
	"holdfast/storage/throttle"
	"holdfast/test/servers"
)

// emulated returns the options of a fresh bucket on the real server.
func emulated(t *testing.T) gcs.Options {
	t.Helper()
	s := servers.GCS(t)
	return gcs.Options{Endpoint: s.Endpoint, Anonymous: true, Bucket: s.Bucket(t), Prefix: "some/where"}
}

func open(t *testing.T, o gcs.Options) *gcs.Store { return tuned(t, o, gcs.Tuning{}) }

func tuned(t *testing.T, o gcs.Options, tuning gcs.Tuning) *gcs.Store {
	t.Helper()
	s, err := gcs.OpenTuned(t.Context(), o, tuning)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestContract(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		o := emulated(t)
		o.Prefix = "" // the others have one
		return open(t, o)
	})
}

func TestContractInParts(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		return tuned(t, emulated(t), gcs.Tuning{SingleBytes: 1000, PartBytes: 1 << 20})
	})
}

func TestContractThroughWrappers(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		limits := throttle.Limits{UploadBytesPerSecond: 10 << 30, DownloadBytesPerSecond: 10 << 30}
		return retry.New(throttle.New(open(t, emulated(t)), limits), retry.Policy{FirstDelay: time.Millisecond})
	})
}

func put(t *testing.T, s storage.Store, key, data string, o storage.PutOptions) {
	t.Helper()
	if err := s.Put(t.Context(), key, storage.Bytes([]byte(data)), o); err != nil {
		t.Fatal(err)
	}
}

func TestCreateAndMissingBucket(t *testing.T) {
	o := emulated(t)
	o.Bucket += "-not-there"
	missing := open(t, o)
	_, statErr := missing.Stat(t.Context(), "config")
	_, getErr := missing.Get(t.Context(), "config", 0, -1)
	for name, err := range map[string]error{
		"Stat": statErr,
		"Get":  getErr,
		"Put":  missing.Put(t.Context(), "config", storage.Bytes(nil), storage.PutOptions{}),
		"List": missing.List(t.Context(), "", func(storage.Info) error { return nil }),
	} {
		if !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%s in a bucket that does not exist = %v, want ErrNotFound", name, err)
		}
	}
	if _, err := gcs.Create(t.Context(), o); err == nil {
		t.Error("Create made a bucket without a project to make it in")
	}
	o.ProjectID = servers.GCS(t).Project
	for range 2 { // the second time it is there
		s, err := gcs.Create(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	put(t, missing, "config", "x", storage.PutOptions{})
}

func TestClassAndMarkOnTheEmulator(t *testing.T) {
	o := emulated(t)
	o.StorageClass, o.MarkBulk = "NEARLINE", true
	s := open(t, o)
	put(t, s, "data/bulk", "content", storage.PutOptions{Bulk: true})
	put(t, s, "data/tree", "content", storage.PutOptions{})
	wantTier(t, s, "data/bulk", storage.Tier{Class: "NEARLINE", Bulk: true})
	wantTier(t, s, "data/tree", storage.Tier{Class: "NEARLINE"})
	for range 2 {
		if err := s.MarkBulk(t.Context(), "data/tree"); err != nil {
			t.Fatal(err)
		}
	}
	wantTier(t, s, "data/tree", storage.Tier{Class: "NEARLINE", Bulk: true})
	if err := s.Thaw(t.Context(), "data/tree", storage.ThawOptions{}); err != nil {
		t.Error(err)
	}
	if err := s.Thaw(t.Context(), "nothing", storage.ThawOptions{}); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Thaw of nothing = %v, want ErrNotFound", err)
	}
	classes := map[string]storage.Tier{}
	err := s.ListTiers(t.Context(), "data/", func(i storage.Info, tier storage.Tier) error {
		classes[i.Key] = tier
		return nil
	})
	if err != nil || len(classes) != 2 || classes["data/bulk"] != (storage.Tier{Class: "NEARLINE"}) {
		t.Errorf("ListTiers = %v, %v", classes, err)
	}
}

func wantTier(t *testing.T, s storage.Tiering, key string, want storage.Tier) {
	t.Helper()
	got, err := s.Tier(t.Context(), key)
	if err != nil || got != want {
		t.Errorf("Tier(%s) = %+v, %v, want %+v", key, got, err, want)
	}
}

func TestProbeOfTheEmulator(t *testing.T) {
	s := open(t, emulated(t))
	p, err := s.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p.ConditionalCreate != nil || p.ClockSkew.Abs() > 5*time.Second {
		t.Errorf("Probe = %+v", p)
	}
	t.Log("checksums:", p.ChecksumsVerified)
	err = s.List(t.Context(), "", func(i storage.Info) error {
		t.Errorf("the probe left %s", i.Key)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLargeBodyTakesNoMemory(t *testing.T) { storagetest.RunMemory(t, open(t, emulated(t))) }
