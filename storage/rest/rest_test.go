package rest_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"holdfast/internal/app"
	"holdfast/internal/restserver"
	"holdfast/storage"
	"holdfast/storage/rest"
	"holdfast/storage/storagetest"
	"holdfast/test/servers"
)

// our starts our own server and returns its URL.
func our(t testing.TB, change func(*restserver.Config)) string {
	t.Helper()
	c := restserver.Config{Path: t.TempDir(), Open: app.LocalStores(false), NoAuth: true, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if change != nil {
		change(&c)
	}
	s, err := restserver.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		h.Close()
		s.Close()
	})
	return h.URL + "/"
}

func create(t testing.TB, url string) *rest.Store {
	t.Helper()
	o, err := rest.Parse("rest:" + url)
	if err != nil {
		t.Fatal(err)
	}
	s, err := rest.Create(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// parsed opens the place without making it.
func parsed(url string) (*rest.Store, error) {
	o, err := rest.Parse("rest:" + url)
	if err != nil {
		return nil, err
	}
	return rest.Open(context.Background(), o)
}

// Below holdfast/ our server takes every key there is.
func TestContractOfOwnKeys(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		return below{create(t, our(t, nil)+"repo/"), "holdfast/test/"}
	})
}

// below is the part of a store whose keys have a prefix.
type below struct {
	storage.Store
	prefix string
}

func (b below) key(key string) string {
	if storage.CheckKey(key) != nil {
		return key // to be refused as it is
	}
	return b.prefix + key
}

func (b below) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	return b.Store.Put(ctx, b.key(key), body, o)
}

func (b below) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	return b.Store.Get(ctx, b.key(key), offset, length)
}

func (b below) Stat(ctx context.Context, key string) (storage.Info, error) {
	info, err := b.Store.Stat(ctx, b.key(key))
	info.Key = strings.TrimPrefix(info.Key, b.prefix)
	return info, err
}

func (b below) Delete(ctx context.Context, key string) error { return b.Store.Delete(ctx, b.key(key)) }

func (b below) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	if storage.CheckPrefix(prefix) == nil {
		prefix = b.prefix + prefix
	}
	return b.Store.List(ctx, prefix, func(info storage.Info) error {
		info.Key = strings.TrimPrefix(info.Key, b.prefix)
		return visit(info)
	})
}

// The files of a repository, on our server and on restic's own.
func TestContractOfRepositoryFiles(t *testing.T) {
	t.Run("ours", func(t *testing.T) {
		storagetest.Run(t, func(t *testing.T) storage.Store {
			url := our(t, func(c *restserver.Config) { c.NoVerifyUpload = true })
			return &hashed{Store: create(t, url)}
		})
	})
	t.Run("restic's", func(t *testing.T) {
		server := servers.Rest(t, "--no-verify-upload")
		n := 0
		storagetest.Run(t, func(t *testing.T) storage.Store {
			n++
			s := create(t, server.URL+strings.Repeat("x", n)+"/")
			// restic's server looks and then renames: of two that put at the
			// same instant both may be told that they won.
			return &hashed{Store: s, oneAtATime: true}
		})
	})
}

// hashed gives the keys of a test names that a repository has: their hash, as
// locks or what else their first segment says.
type hashed struct {
	storage.Store
	oneAtATime bool

	mu   sync.Mutex
	keys map[string]string // by name
	puts sync.Mutex
}

func (h *hashed) name(key string) string {
	if key == "config" || storage.CheckKey(key) != nil {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	id := hex.EncodeToString(sum[:])
	name := "locks/" + id
	switch kind, _, _ := strings.Cut(key, "/"); kind {
	case "data":
		name = "data/" + id[:2] + "/" + id
	case "index", "keys", "snapshots":
		name = kind + "/" + id
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.keys == nil {
		h.keys = map[string]string{}
	}
	h.keys[name] = key
	return name
}

func (h *hashed) key(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if key, ok := h.keys[name]; ok {
		return key
	}
	return name
}

func (h *hashed) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	if h.oneAtATime {
		h.puts.Lock()
		defer h.puts.Unlock()
	}
	return h.Store.Put(ctx, h.name(key), body, o)
}

func (h *hashed) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	return h.Store.Get(ctx, h.name(key), offset, length)
}

func (h *hashed) Stat(ctx context.Context, key string) (storage.Info, error) {
	info, err := h.Store.Stat(ctx, h.name(key))
	info.Key = h.key(info.Key)
	return info, err
}

func (h *hashed) Delete(ctx context.Context, key string) error {
	return h.Store.Delete(ctx, h.name(key))
}

func (h *hashed) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	ask := ""
	switch {
	case storage.CheckPrefix(prefix) != nil, prefix == "data/", prefix == "index/":
		ask = prefix
	}
	return h.Store.List(ctx, ask, func(info storage.Info) error {
		info.Key = h.key(info.Key)
		if !strings.HasPrefix(info.Key, prefix) {
			return nil
		}
		return visit(info)
	})
}

func idOf(data string) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:])
}

func put(s storage.Store, key, data string) error {
	return s.Put(context.Background(), key, storage.Bytes([]byte(data)), storage.PutOptions{})
}

// Both servers compare uploads with their names.
func TestUploadIsVerified(t *testing.T) {
	for name, url := range map[string]string{"ours": our(t, nil), "restic's": servers.Rest(t).URL} {
		s := create(t, url)
		key := "index/" + idOf("right")
		if err := put(s, key, "wrong"); err == nil || storage.IsPermanent(err) {
			t.Errorf("%s: Put of other bytes than the name says = %v, want an error that is tried again", name, err)
		}
		if _, err := s.Stat(t.Context(), key); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%s: Stat = %v, want ErrNotFound", name, err)
		}
		if err := put(s, key, "right"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := put(s, key, "right"); !errors.Is(err, storage.ErrExists) {
			t.Errorf("%s: second Put = %v, want ErrExists", name, err)
		}
	}
}

// Keys that are no hash are compared with the hash of the options.
func TestAnnouncedHashIsVerified(t *testing.T) {
	s := create(t, our(t, nil))
	sum := sha256.Sum256([]byte("right"))
	o := storage.PutOptions{SHA256: &sum}
	if err := s.Put(t.Context(), "holdfast/x", storage.Bytes([]byte("wrong")), o); err == nil {
		t.Error("Put of other bytes than announced = nil")
	}
	if err := s.Put(t.Context(), "holdfast/x", storage.Bytes([]byte("right")), o); err != nil {
		t.Error(err)
	}
}

// An object that exists refuses a large upload before it is sent.
func TestLargeUploadOfWhatExists(t *testing.T) {
	large := strings.Repeat("x", 40<<20)
	key := "data/" + idOf(large)[:2] + "/" + idOf(large)
	for name, url := range map[string]string{"ours": our(t, nil), "restic's": servers.Rest(t).URL} {
		s := create(t, url)
		if err := put(s, key, large); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := put(s, key, large); !errors.Is(err, storage.ErrExists) {
			t.Errorf("%s: second Put = %v, want ErrExists", name, err)
		}
	}
}

func TestPlainServerHoldsNoOwnKeys(t *testing.T) {
	server := servers.Rest(t)
	for _, place := range []string{"", "repo/", "alice/repo/"} {
		s := create(t, server.URL+place)
		for name, err := range map[string]error{"Put": put(s, "holdfast/log/shop/1", "x"), "CheckOwnKeys": s.CheckOwnKeys(t.Context())} {
			if !errors.Is(err, storage.ErrUnsupported) || !strings.Contains(err.Error(), "holdfast rest-server") {
				t.Errorf("%s at %q = %v, want ErrUnsupported with a hint", name, place, err)
			}
		}
		if _, err := s.Stat(t.Context(), "holdfast/log/shop/1"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Stat at %q = %v, want ErrNotFound", place, err)
		}
		for _, prefix := range []string{"", "holdfast/", "holdfast/log/shop/"} {
			err := s.List(t.Context(), prefix, func(i storage.Info) error { return errors.New(i.Key) })
			if err != nil {
				t.Errorf("List(%q) at %q = %v", prefix, place, err)
			}
		}
	}
	if err := create(t, our(t, nil)+"alice/repo/").CheckOwnKeys(t.Context()); err != nil {
		t.Errorf("our own server: %v", err)
	}
}

func TestKeysNoServerHolds(t *testing.T) {
	s := create(t, our(t, nil))
	id := idOf("x")
	for _, key := range []string{"notes", "keys/short", "data/" + id, "data/00/" + id, "index/a/" + id} {
		if err := put(s, key, "x"); !errors.Is(err, storage.ErrUnsupported) {
			t.Errorf("Put(%q) = %v, want ErrUnsupported", key, err)
		}
	}
}

// restic's server gives the config whole, whatever range is asked for.
func TestRangesOfConfig(t *testing.T) {
	for name, url := range map[string]string{"ours": our(t, nil), "restic's": servers.Rest(t).URL} {
		s := create(t, url)
		if err := put(s, "config", "0123456789"); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 3)
		if err := storage.ReadRange(t.Context(), s, "config", 4, buf); err != nil || string(buf) != "456" {
			t.Errorf("%s: range = %q, %v", name, buf, err)
		}
		if _, err := s.Get(t.Context(), "config", 11, 1); !errors.Is(err, storage.ErrInvalidRange) {
			t.Errorf("%s: beyond the end = %v, want ErrInvalidRange", name, err)
		}
	}
}

func TestAppendOnly(t *testing.T) {
	urls := map[string]string{
		"ours":     our(t, func(c *restserver.Config) { c.AppendOnly = true }),
		"restic's": servers.Rest(t, "--append-only").URL,
	}
	for name, url := range urls {
		s := create(t, url)
		keys := []string{"config", "keys/" + idOf("x"), "snapshots/" + idOf("x"), "data/" + idOf("x")[:2] + "/" + idOf("x")}
		if name == "ours" {
			keys = append(keys, "holdfast/log/1")
		}
		for _, key := range keys {
			if err := put(s, key, "x"); err != nil {
				t.Fatal(err)
			}
			err := s.Delete(t.Context(), key)
			if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: Delete(%q) = %v, want ErrPermission that says why", name, key, err)
			}
			if b, err := storage.ReadAll(t.Context(), s, key); err != nil || string(b) != "x" {
				t.Errorf("%s: Get(%q) = %q, %v", name, key, b, err)
			}
		}
		lock := "locks/" + idOf("x")
		if err := errors.Join(put(s, lock, "x"), s.Delete(t.Context(), lock)); err != nil {
			t.Errorf("%s: locks come and go: %v", name, err)
		}
	}
}

func TestQuota(t *testing.T) {
	s := create(t, our(t, func(c *restserver.Config) { c.MaxSizeBytes = 1000 }))
	small, large := strings.Repeat("s", 600), strings.Repeat("l", 600)
	if err := put(s, "index/"+idOf(small), small); err != nil {
		t.Fatal(err)
	}
	if err := put(s, "index/"+idOf(large), large); !errors.Is(err, storage.ErrFull) {
		t.Errorf("Put beyond the quota = %v, want ErrFull", err)
	}
	if err := s.Delete(t.Context(), "index/"+idOf(small)); err != nil {
		t.Fatal(err)
	}
	if err := put(s, "index/"+idOf(large), large); err != nil {
		t.Errorf("Put when there is room again: %v", err)
	}
}

func TestWrongPassword(t *testing.T) {
	o, err := rest.Parse("rest:" + strings.Replace(our(t, func(c *restserver.Config) {
		c.NoAuth = false
		c.ProxyAuthUsername = "X-Nobody"
	}), "http://", "http://alice:geheim@", 1))
	if err != nil {
		t.Fatal(err)
	}
	_, err = rest.Create(t.Context(), o)
	if !errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "geheim") {
		t.Errorf("Create = %v, want ErrPermission without the password", err)
	}
}

func TestParse(t *testing.T) {
	tests := []struct{ url, location string }{
		{"rest:https://host:8000/path/", "rest:https://host:8000/path/"},
		{"rest:http://host", "rest:http://host/"},
		{"rest:https://alice:secret@host/a", "rest:https://alice@host/a/"},
		{"rest:http+unix:///run/x.sock:/repo", "rest:http+unix:///run/x.sock:/repo/"},
		{"rest:http+unix:///run/x.sock", "rest:http+unix:///run/x.sock:/"},
		{"rest:host:8000", ""},
		{"rest:ftp://host/", ""},
		{"rest:https://host/?x=secret", ""},
		{"rest:https://host:secret/", ""},
		{"https://host/", ""},
	}
	for _, test := range tests {
		o, err := rest.Parse(test.url)
		if err != nil {
			if test.location != "" || strings.Contains(err.Error(), "secret") {
				t.Errorf("Parse(%q): %v", test.url, err)
			}
			continue
		}
		s, err := rest.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Location(); got != test.location {
			t.Errorf("Parse(%q) leads to %q, want %q", test.url, got, test.location)
		}
	}
}

func TestLargeBodyTakesNoMemory(t *testing.T) {
	storagetest.RunMemory(t, create(t, servers.Rest(t, "--no-verify-upload").URL+"large/"))
}
