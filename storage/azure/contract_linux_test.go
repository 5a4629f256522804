package azure_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"holdfast/storage"
	"holdfast/storage/azure"
	"holdfast/storage/retry"
	"holdfast/storage/storagetest"
	"holdfast/storage/throttle"
	"holdfast/test/servers"
)

// azurite returns the options of a fresh container on the real server.
func azurite(t *testing.T) azure.Options {
	t.Helper()
	s := servers.Azure(t)
	return azure.Options{Account: s.Account, Key: s.Key, Endpoint: s.Endpoint, Container: s.Container(t), Prefix: "some/where"}
}

func open(t *testing.T, o azure.Options) *azure.Store {
	t.Helper()
	s, err := azure.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func tuned(t *testing.T, o azure.Options, tuning azure.Tuning) *azure.Store {
	t.Helper()
	s, err := azure.OpenTuned(o, tuning)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestContract(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		o := azurite(t)
		o.Prefix = "" // the others have one
		return open(t, o)
	})
}

func TestContractInBlocks(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		return tuned(t, azurite(t), azure.Tuning{SingleBytes: 1000, BlockBytes: 1 << 20})
	})
}

func TestContractThroughWrappers(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		limits := throttle.Limits{UploadBytesPerSecond: 10 << 30, DownloadBytesPerSecond: 10 << 30}
		return retry.New(throttle.New(open(t, azurite(t)), limits), retry.Policy{FirstDelay: time.Millisecond})
	})
}

func put(t *testing.T, s storage.Store, key, data string, o storage.PutOptions) {
	t.Helper()
	if err := s.Put(t.Context(), key, storage.Bytes([]byte(data)), o); err != nil {
		t.Fatal(err)
	}
}

// TestTwoWritersInBlocks has two writers send the blocks of one key at once.
func TestTwoWritersInBlocks(t *testing.T) {
	o := azurite(t)
	small := azure.Tuning{SingleBytes: 1000, BlockBytes: 64 << 10}
	bodies := [][]byte{bytes.Repeat([]byte("a"), 1<<20), bytes.Repeat([]byte("b"), 1<<20)}
	done := make(chan error, len(bodies))
	for _, body := range bodies {
		s := tuned(t, o, small)
		go func() { done <- s.Put(t.Context(), "data/aa", storage.Bytes(body), storage.PutOptions{}) }()
	}
	var won int
	for range bodies {
		switch err := <-done; {
		case err == nil:
			won++
		case !errors.Is(err, storage.ErrExists):
			t.Errorf("Put = %v, want nil or ErrExists", err)
		}
	}
	if won != 1 {
		t.Fatalf("%d writers of one key won, want 1", won)
	}
	got, err := storage.ReadAll(t.Context(), tuned(t, o, small), "data/aa")
	if err != nil || !bytes.Equal(got, bodies[0]) && !bytes.Equal(got, bodies[1]) {
		t.Errorf("the object is that of neither writer: %d bytes, %v", len(got), err)
	}
}

// An upload that was killed leaves blocks. They are no object.
func TestPutOverUnfinishedUpload(t *testing.T) {
	o := azurite(t)
	broken := errors.New("killed")
	big := failingBody{sizeBytes: 3 << 20, failAt: 2 << 20, err: broken}
	if err := tuned(t, o, azure.Tuning{SingleBytes: 1000, BlockBytes: 1 << 20}).Put(t.Context(), "data/a", big, storage.PutOptions{}); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	stageBlock(t, o, "data/a")
	s := open(t, o)
	put(t, s, "data/a", "content", storage.PutOptions{})
	got, err := storage.ReadAll(t.Context(), s, "data/a")
	if err != nil || string(got) != "content" {
		t.Errorf("the object holds %q, %v", got, err)
	}
	if err := s.Put(t.Context(), "data/a", storage.Bytes(nil), storage.PutOptions{}); !errors.Is(err, storage.ErrExists) {
		t.Errorf("Put over it = %v, want ErrExists", err)
	}
}

// failingBody is zeros up to where it fails.
type failingBody struct {
	sizeBytes, failAt int64
	err               error
}

func (b failingBody) Size() int64 { return b.sizeBytes }

func (b failingBody) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > b.failAt {
		return 0, b.err
	}
	clear(p)
	return len(p), nil
}

// stageBlock leaves a block of an upload that nobody finishes.
func stageBlock(t *testing.T, o azure.Options, key string) {
	t.Helper()
	b := servers.Azure(t).Client().ServiceClient().NewContainerClient(o.Container).NewBlockBlobClient(o.Prefix + "/" + key)
	name := base64.StdEncoding.EncodeToString(make([]byte, 20)) // as long as ours
	if _, err := b.StageBlock(t.Context(), name, streaming.NopCloser(strings.NewReader("block")), nil); err != nil {
		t.Fatal(err)
	}
}

func TestCreateAndMissingContainer(t *testing.T) {
	o := azurite(t)
	o.Container += "-not-there"
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
			t.Errorf("%s in a container that does not exist = %v, want ErrNotFound", name, err)
		}
	}
	for range 2 { // the second time it is there
		s, err := azure.Create(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	put(t, missing, "config", "x", storage.PutOptions{})
}

// A container says little about itself to Azurite, but what it says is read.
func TestTierTagsAndThawOnAzurite(t *testing.T) {
	o := azurite(t)
	o.AccessTier, o.MarkBulk = "Cool", true
	s := open(t, o)
	ctx := t.Context()
	put(t, s, "data/bulk", "content", storage.PutOptions{Bulk: true})
	put(t, s, "data/tree", "content", storage.PutOptions{})
	wantTier(t, s, "data/bulk", storage.Tier{Class: "Cool", Bulk: true})
	wantTier(t, s, "data/tree", storage.Tier{Class: "Cool"})
	for range 2 {
		if err := s.MarkBulk(ctx, "data/tree"); err != nil {
			t.Fatal(err)
		}
	}
	wantTier(t, s, "data/tree", storage.Tier{Class: "Cool", Bulk: true})

	if err := s.Thaw(ctx, "data/tree", storage.ThawOptions{}); err != nil {
		t.Errorf("Thaw of what is not cold = %v", err)
	}
	archive(t, o, "data/bulk")
	wantTier(t, s, "data/bulk", storage.Tier{Class: "Archive", Bulk: true, Cold: true})
	if _, err := s.Get(ctx, "data/bulk", 0, -1); !errors.Is(err, storage.ErrCold) {
		t.Errorf("Get from Archive = %v, want ErrCold", err)
	}
	if err := s.Put(ctx, "data/bulk", storage.Bytes(nil), storage.PutOptions{}); !errors.Is(err, storage.ErrExists) {
		t.Errorf("Put over an archived object = %v, want ErrExists", err)
	}
	classes := map[string]storage.Tier{}
	err := s.ListTiers(ctx, "data/", func(i storage.Info, tier storage.Tier) error {
		classes[i.Key] = tier
		return nil
	})
	if err != nil || classes["data/bulk"] != (storage.Tier{Class: "Archive", Cold: true}) || classes["data/tree"].Class != "Cool" {
		t.Errorf("ListTiers = %v, %v", classes, err)
	}
	if err := s.Thaw(ctx, "data/bulk", storage.ThawOptions{Priority: "high"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Thaw(ctx, "data/bulk", storage.ThawOptions{Priority: "Expedited"}); !errors.Is(err, storage.ErrUnsupported) {
		t.Errorf("Thaw with a priority of another service = %v, want ErrUnsupported", err)
	}
}

func wantTier(t *testing.T, s storage.Tiering, key string, want storage.Tier) {
	t.Helper()
	got, err := s.Tier(t.Context(), key)
	if err != nil || got != want {
		t.Errorf("Tier(%s) = %+v, %v, want %+v", key, got, err, want)
	}
}

func archive(t *testing.T, o azure.Options, key string) {
	t.Helper()
	b := servers.Azure(t).Client().ServiceClient().NewContainerClient(o.Container).NewBlobClient(o.Prefix + "/" + key)
	if _, err := b.SetTier(t.Context(), "Archive", nil); err != nil {
		t.Fatal(err)
	}
}

func TestProbeOfAzurite(t *testing.T) {
	s := open(t, azurite(t))
	p, err := s.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p.ConditionalCreate != nil || p.ChecksumsVerified != nil || p.ClockSkew.Abs() > 5*time.Second || p.Service == "" {
		t.Errorf("Probe = %+v", p)
	}
	err = s.List(t.Context(), "", func(i storage.Info) error {
		t.Errorf("the probe left %s", i.Key)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSoftDeleteOnAzurite(t *testing.T) {
	s := open(t, azurite(t))
	ctx := t.Context()
	if err := s.Apply(ctx, storage.SettingChanges{SoftDelete: 14 * 24 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(ctx, storage.SettingChanges{SoftDelete: 7 * 24 * time.Hour}); err != nil { // never shorter
		t.Fatal(err)
	}
	settings, err := s.Settings(ctx)
	if err != nil || settings.SoftDelete != 14*24*time.Hour {
		t.Errorf("SoftDelete = %v, %v, want 14 days", settings.SoftDelete, err)
	}
	if err := settings.Unread[storage.SettingSoftDelete]; err != nil {
		t.Errorf("soft delete unread: %v", err)
	}
}

// What Azurite has not is said to be unsupported, and not retried.
func TestPowersThatAzuriteLacks(t *testing.T) {
	s := open(t, azurite(t))
	ctx := t.Context()
	put(t, s, "config", "x", storage.PutOptions{})
	until := storage.Retention{Mode: storage.Governance, Until: time.Now().Add(time.Hour)}
	for name, err := range map[string]error{
		"CheckLocking":  s.CheckLocking(ctx),
		"CheckVersions": s.CheckVersions(ctx),
		"Extend":        s.Extend(ctx, "config", until),
		"Put":           s.Put(ctx, "data/a", storage.Bytes(nil), storage.PutOptions{Retention: until}),
	} {
		if !errors.Is(err, storage.ErrUnsupported) {
			t.Errorf("%s = %v, want ErrUnsupported", name, err)
		}
	}
}

func TestContextEndsARead(t *testing.T) {
	s := open(t, azurite(t))
	put(t, s, "data/aa", string(make([]byte, 8<<20)), storage.PutOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	r, err := s.Get(ctx, "data/aa", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cancel()
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
		t.Errorf("Read after the end of the context = %v, want context.Canceled", err)
	}
}

func TestLargeBodyTakesNoMemory(t *testing.T) { storagetest.RunMemory(t, open(t, azurite(t))) }
