package s3_test

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/storage"
	"holdfast/storage/s3"
)

// TestOwnCertificateAndOwnKey speaks TLS to a service with a certificate of
// its own making, which encrypts with a key of ours.
func TestOwnCertificateAndOwnKey(t *testing.T) {
	f := newFake(t)
	key := []byte("32 bytes, which are all of a key")
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		needsKey := r.URL.Path != "/bucket/" && r.Method != http.MethodDelete
		sent := r.Header.Get("X-Amz-Server-Side-Encryption-Customer-Key")
		if needsKey && sent != base64.StdEncoding.EncodeToString(key) {
			fail(w, http.StatusBadRequest, "InvalidRequest")
			return true
		}
		return false
	}
	secure := httptest.NewTLSServer(f)
	t.Cleanup(secure.Close)
	dir := t.TempDir()
	files := map[string][]byte{
		"ca.pem":  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}),
		"raw":     key,
		"encoded": []byte(base64.StdEncoding.EncodeToString(key) + "\n"),
		"short":   key[1:],
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := f.options()
	o.Endpoint, o.PlainHTTP = strings.TrimPrefix(secure.URL, "https://"), false

	_, err := open(t, o).Stat(t.Context(), "config")
	if !errors.Is(err, storage.ErrSetup) || !strings.Contains(err.Error(), "--cacert") {
		t.Errorf("Stat over an unknown certificate = %v", err)
	}
	o.CACertFile = filepath.Join(dir, "ca.pem")
	for _, name := range []string{"raw", "encoded"} {
		o.CustomerKeyFile = filepath.Join(dir, name)
		s := open(t, o)
		put(t, s, "by/"+name, "content")
		if got := read(t, s, "by/"+name); got != "content" {
			t.Errorf("read %q", got)
		}
	}

	refused := map[string]func(o *s3.Options){
		"a short key":           func(o *s3.Options) { o.CustomerKeyFile = filepath.Join(dir, "short") },
		"a missing key":         func(o *s3.Options) { o.CustomerKeyFile = filepath.Join(dir, "none") },
		"two encryptions":       func(o *s3.Options) { o.Encryption = "AES256" },
		"a key in plain HTTP":   func(o *s3.Options) { o.PlainHTTP = true },
		"a KMS key without KMS": func(o *s3.Options) { o.CustomerKeyFile, o.KMSKeyID = "", "key" },
		"a missing certificate": func(o *s3.Options) { o.CACertFile = filepath.Join(dir, "none") },
	}
	for name, change := range refused {
		wrong := o
		change(&wrong)
		if _, err := s3.Open(t.Context(), wrong); err == nil {
			t.Errorf("Open with %s = nil", name)
		}
	}
}
