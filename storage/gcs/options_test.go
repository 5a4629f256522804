package gcs_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/storage"
	"holdfast/storage/gcs"
)

func TestParse(t *testing.T) {
	tests := []struct {
		place string
		want  gcs.Options // zero: an error
	}{
		{"gs:backups:/", gcs.Options{Bucket: "backups"}},
		{"gs:backups", gcs.Options{Bucket: "backups"}},
		{"gs:backups:/host/www", gcs.Options{Bucket: "backups", Prefix: "host/www"}},
		{"gs:backups.example.com:host//www/", gcs.Options{Bucket: "backups.example.com", Prefix: "host/www"}},
		{"gs://backups", gcs.Options{Bucket: "backups"}},
		{"gs://backups/host/../www/", gcs.Options{Bucket: "backups", Prefix: "www"}},
		{"gs:", gcs.Options{}},
		{"gs://", gcs.Options{}},
		{"gs:Backups:/", gcs.Options{}},
		{"gs:-x-:/", gcs.Options{}},
		{"s3:backups:/", gcs.Options{}},
	}
	for _, test := range tests {
		got, err := gcs.Parse(test.place)
		if (err != nil) != (test.want == gcs.Options{}) || got != test.want {
			t.Errorf("Parse(%q) = %+v, %v, want %+v", test.place, got, err, test.want)
		}
	}
}

func TestSet(t *testing.T) {
	var o gcs.Options
	for name, value := range map[string]string{
		"project-id": "p", "region": "EUROPE-WEST1", "object-retention": "true", "storage-class": "coldline", "mark-bulk": "true", "connections": "8",
	} {
		if err := o.Set(name, value); err != nil {
			t.Errorf("Set(%s, %s): %v", name, value, err)
		}
	}
	want := gcs.Options{ProjectID: "p", Region: "EUROPE-WEST1", Lockable: true, StorageClass: "COLDLINE", MarkBulk: true, Connections: 8}
	if o != want {
		t.Errorf("Set made %+v, want %+v", o, want)
	}
	for name, value := range map[string]string{
		"storage-class": "GLACIER", "mark-bulk": "maybe", "connections": "-1", "access-token": "x",
	} {
		if err := o.Set(name, value); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Set(%s, %s) = %v, want an error that names it", name, value, err)
		}
	}
}

func clearEnvironment(t *testing.T) {
	for _, name := range []string{
		"GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_ACCESS_TOKEN", "GOOGLE_PROJECT_ID", "GOOGLE_CLOUD_PROJECT", "STORAGE_EMULATOR_HOST",
	} {
		t.Setenv(name, "")
	}
}

func TestCredentialsAreNotSentWithoutTLS(t *testing.T) {
	clearEnvironment(t)
	t.Setenv("GOOGLE_ACCESS_TOKEN", "SECRET")
	_, err := gcs.Open(t.Context(), gcs.Options{Bucket: "bucket", Endpoint: "http://storage.example"})
	if err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("Open = %v, want it refused", err)
	}
}

func TestEmulatorOfTheEnvironment(t *testing.T) {
	clearEnvironment(t)
	f, o := newFake(t)
	f.change(func() { f.bucket["x"] = 1 })
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(o.Endpoint, "http://"))
	t.Setenv("GOOGLE_ACCESS_TOKEN", "SECRET")
	s, err := gcs.Open(t.Context(), gcs.Options{Bucket: "bucket"})
	if err != nil {
		t.Fatal(err)
	}
	store(t, s, "config", "x", storage.PutOptions{})
}

// secure puts the fake behind TLS, asking for a token, and returns options
// that trust it.
func secure(t *testing.T, f *fakeService, token string) gcs.Options {
	t.Helper()
	f.change(func() { f.token = token })
	server := httptest.NewTLSServer(f)
	t.Cleanup(server.Close)
	return gcs.Options{Endpoint: server.URL, Bucket: "bucket", CACertFile: caFile(t, server)}
}

func TestAccessToken(t *testing.T) {
	clearEnvironment(t)
	f, _ := newFake(t)
	o := secure(t, f, "SECRET")
	t.Setenv("GOOGLE_ACCESS_TOKEN", "SECRET")
	s, err := gcs.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	store(t, s, "config", "x", storage.PutOptions{})

	t.Setenv("GOOGLE_ACCESS_TOKEN", "outdated SECRET")
	if s, err = gcs.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	_, err = s.Stat(t.Context(), "config")
	wantClean(t, err, true)
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Stat with an outdated token = %v, want fs.ErrPermission", err)
	}
}

// TestUserCredentials goes through the file that gcloud leaves behind, whose
// token service refuses it, and then gives a token.
func TestUserCredentials(t *testing.T) {
	clearEnvironment(t)
	f, _ := newFake(t)
	o := secure(t, f, "TOKEN")
	status := 400
	tokens := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if status == 200 {
			w.Write([]byte(`{"access_token": "TOKEN", "token_type": "Bearer", "expires_in": 3600}`))
			return
		}
		w.Write([]byte(`{"error": "invalid_grant", "error_description": "SECRET"}`))
	}))
	defer tokens.Close()
	o.CACertFile = caFile(t, tokens) // httptest has one certificate for all
	o.CredentialsFile = serviceAccount(t, tokens.URL)
	s, err := gcs.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Put(t.Context(), "config", storage.Bytes(nil), storage.PutOptions{})
	wantClean(t, err, true)
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Put with refused credentials = %v, want fs.ErrPermission", err)
	}
	status = 503
	wantClean(t, s.Put(t.Context(), "config", storage.Bytes(nil), storage.PutOptions{}), false)
	status = 200
	store(t, s, "config", "x", storage.PutOptions{})
}

func TestBrokenCredentialsFile(t *testing.T) {
	clearEnvironment(t)
	for _, text := range []string{"SECRET", `{"type": "SECRET"`, `{"type": "unheard_of", "private_key": "SECRET"}`} {
		file := filepath.Join(t.TempDir(), "credentials.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := gcs.Open(t.Context(), gcs.Options{Bucket: "bucket", CredentialsFile: file})
		if err == nil || strings.Contains(err.Error(), "SECRET") || !strings.Contains(err.Error(), file) {
			t.Errorf("Open with %s = %v, want an error that names the file and tells nothing of it", text, err)
		}
	}
}

// serviceAccount writes the credentials file of a service account whose
// tokens come from a server.
func serviceAccount(t *testing.T, server string) string {
	t.Helper()
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "a@example.com", "private_key_id": "1",
		"private_key": rsaKey(t), "token_uri": server,
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
