package s3_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/s3"
	"holdfast/test/servers"

	"github.com/minio/minio-go/v7"
)

func createStore(t *testing.T, o s3.Options) (*s3.Store, error) {
	t.Helper()
	s, err := s3.Create(t.Context(), o)
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}

// replace puts over an object, as an attacker does; ours never do.
func replace(t *testing.T, o s3.Options, key, data string) {
	t.Helper()
	_, err := servers.S3(t).Client().PutObject(t.Context(), o.Bucket, o.Prefix+"/"+key, strings.NewReader(data), int64(len(data)), minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// now is an instant that lies between what was put and what will be: listings
// stamp versions to the millisecond.
func now() time.Time {
	defer time.Sleep(2 * time.Millisecond)
	return time.Now()
}

func TestAsOfShowsWhatWasThere(t *testing.T) {
	o := place(t, servers.WithVersioning())
	s := open(t, o)
	if err := s.CheckVersions(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, s, "config", "the config")
	put(t, s, "data/3f/3f9a", "a pack")
	put(t, s, "data/3f/3f9a2", "a name that begins the same way")
	put(t, s, "index/deleted early", "x")
	if err := s.Delete(t.Context(), "index/deleted early"); err != nil {
		t.Fatal(err)
	}
	before := now()
	put(t, s, "index/late", "later")
	replace(t, o, "data/3f/3f9a", "overwritten")
	replace(t, o, "config", "overwritten")
	if err := s.Delete(t.Context(), "config"); err != nil {
		t.Fatal(err)
	}

	want := []string{"config", "data/3f/3f9a", "data/3f/3f9a2"}
	for _, listed := range []bool{false, true} {
		then := s.AsOf(before)
		if listed {
			if got := keys(t, then, ""); !slices.Equal(got, want) {
				t.Errorf("List as of then = %q, want %q", got, want)
			}
		}
		if got := read(t, then, "config"); got != "the config" {
			t.Errorf("config as of then is %q", got)
		}
		if got := read(t, then, "data/3f/3f9a"); got != "a pack" {
			t.Errorf("the pack as of then is %q", got)
		}
		if info, err := then.Stat(t.Context(), "data/3f/3f9a"); err != nil || info.SizeBytes != 6 {
			t.Errorf("Stat as of then = %+v, %v", info, err)
		}
		for _, key := range []string{"index/late", "index/deleted early", "data/3f", "nothing"} {
			if _, err := then.Stat(t.Context(), key); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("Stat(%s) as of then = %v, want ErrNotFound", key, err)
			}
		}
	}
	then := s.AsOf(before)
	if err := then.Put(t.Context(), "a", storage.Bytes(nil), storage.PutOptions{}); !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("Put into the past = %v", err)
	}
	if err := then.Delete(t.Context(), "config"); !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("Delete in the past = %v", err)
	}
	if got := keys(t, s.AsOf(time.Now().Add(-time.Hour)), ""); len(got) != 0 {
		t.Errorf("an hour ago there were %q", got)
	}
	if got, now := keys(t, s.AsOf(time.Now().Add(time.Minute)), ""), keys(t, s, ""); !slices.Equal(got, now) {
		t.Errorf("as of now there are %q, want %q", got, now)
	}
}

// TestAsOfManyVersions has more versions than a page of a listing holds.
func TestAsOfManyVersions(t *testing.T) {
	o := place(t, servers.WithVersioning())
	s := open(t, o)
	put(t, s, "index/1", "the first")
	first := now()
	for i := range 1100 {
		replace(t, o, "index/1", fmt.Sprint(i))
	}
	put(t, s, "index/2", "later")
	then := s.AsOf(first)
	if got := read(t, then, "index/1"); got != "the first" {
		t.Errorf("as of then it is %q", got)
	}
	if got := keys(t, s.AsOf(first), "index/"); !slices.Equal(got, []string{"index/1"}) {
		t.Errorf("List = %q", got)
	}
}

func TestUndelete(t *testing.T) {
	o := place(t, servers.WithVersioning())
	s := open(t, o)
	put(t, s, "data/1", "content")
	for range 3 { // each leaves a marker
		if err := s.Delete(t.Context(), "data/1"); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second finds it there
		if err := s.Undelete(t.Context(), "data/1"); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, s, "data/1"); got != "content" {
		t.Errorf("Undelete brings back %q", got)
	}
	if err := s.Undelete(t.Context(), "data/never"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Undelete of nothing = %v", err)
	}

	// Credentials that may not delete versions copy instead.
	if err := s.Delete(t.Context(), "data/1"); err != nil {
		t.Fatal(err)
	}
	agent := open(t, withPolicy(t, o, `"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:ListBucket", "s3:ListBucketVersions"`))
	if err := agent.Undelete(t.Context(), "data/1"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, "data/1"); got != "content" {
		t.Errorf("Undelete by a copy brings back %q", got)
	}
}

func TestBucketWithoutVersions(t *testing.T) {
	s := open(t, place(t))
	if err := s.CheckVersions(t.Context()); !errors.Is(err, storage.ErrUnsupported) {
		t.Errorf("CheckVersions = %v, want ErrUnsupported", err)
	}
	put(t, s, "config", "x")
	if got := read(t, s.AsOf(time.Now().Add(time.Minute)), "config"); got != "x" {
		t.Errorf("AsOf without versions = %q", got)
	}
}
