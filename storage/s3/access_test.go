package s3_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"holdfast/storage"
	"holdfast/storage/s3"
	"holdfast/test/servers"
)

// withPolicy returns o with credentials that may do only the actions given, in
// the bucket of o and on its objects.
func withPolicy(t *testing.T, o s3.Options, actions string) s3.Options {
	t.Helper()
	policy := fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": [%s],
		"Resource": ["arn:aws:s3:::%s", "arn:aws:s3:::%s/*"]}]}`, actions, o.Bucket, o.Bucket)
	o.AccessKeyID, o.SecretAccessKey = servers.S3(t).User(t, []byte(policy))
	return o
}

// appendOnly is what an agent needs that makes backups and can destroy none.
const appendOnly = `"s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:GetBucketLocation"`

func TestAppendOnlyCredentials(t *testing.T) {
	o := place(t, servers.WithVersioning())
	agent := open(t, withPolicy(t, o, appendOnly))
	put(t, agent, "data/3f/3f9a", "a pack")
	if got := read(t, agent, "data/3f/3f9a"); got != "a pack" {
		t.Errorf("read %q", got)
	}
	if got := keys(t, agent, ""); len(got) != 1 {
		t.Errorf("List = %q", got)
	}
	if _, err := agent.Stat(t.Context(), "nothing"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Stat of nothing = %v", err)
	}
	err := agent.Delete(t.Context(), "data/3f/3f9a")
	if !errors.Is(err, fs.ErrPermission) || !errors.Is(err, storage.ErrReadOnly) || !storage.IsPermanent(err) {
		t.Errorf("Delete = %v, want it refused for good", err)
	}
	if err := agent.Clean(t.Context()); err != nil {
		t.Errorf("Clean = %v; what it may not do is left to others", err)
	}
	if p, err := agent.Probe(t.Context()); err != nil || p.ConditionalCreate != nil {
		t.Errorf("Probe = %+v, %v", p, err)
	}
	found, err := agent.Settings(t.Context())
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Settings = %+v, %v", found, err)
	}
}

func TestReadOnlyCredentials(t *testing.T) {
	o := place(t)
	put(t, open(t, o), "config", "x")
	reader := open(t, withPolicy(t, o, `"s3:GetObject", "s3:ListBucket"`))
	if got := read(t, reader, "config"); got != "x" {
		t.Errorf("read %q", got)
	}
	err := reader.Put(t.Context(), "data/1", storage.Bytes([]byte("x")), storage.PutOptions{})
	if !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("Put = %v, want ErrReadOnly", err)
	}
}

// TestCredentialsAreFound has the same credentials in every place where they
// are looked for.
func TestCredentialsAreFound(t *testing.T) {
	given := place(t)
	id, secret := given.AccessKeyID, given.SecretAccessKey
	identity := identityService(t, id, secret)
	files := map[string]string{
		"credentials": fmt.Sprintf("[default]\naws_access_key_id=no\naws_secret_access_key=no\n[backup]\naws_access_key_id=%s\naws_secret_access_key=%s\n", id, secret),
		"token":       "a token of the web identity",
		"process":     fmt.Sprintf("[default]\ncredential_process = %s ignored\n", script(t, id, secret)),
	}
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name    string
		env     map[string]string
		options s3.Options
	}{
		{"given", nil, s3.Options{AccessKeyID: id, SecretAccessKey: secret}},
		{"environment", map[string]string{"AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret}, s3.Options{}},
		{"environment of MinIO", map[string]string{"MINIO_ROOT_USER": id, "MINIO_ROOT_PASSWORD": secret}, s3.Options{}},
		{"profile that is named", map[string]string{"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "credentials")}, s3.Options{Profile: "backup"}},
		{"profile of the environment", map[string]string{"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "credentials"), "AWS_PROFILE": "backup"}, s3.Options{}},
		{"program", map[string]string{"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "process")}, s3.Options{}},
		{"role", nil, s3.Options{
			AccessKeyID: "own key", SecretAccessKey: "own secret", RoleARN: "arn:aws:iam::1:role/backup", STSEndpoint: identity,
		}},
		{"web identity", map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": filepath.Join(dir, "token"), "AWS_ROLE_ARN": "arn:aws:iam::1:role/backup"}, s3.Options{STSEndpoint: identity}},
		{"container", map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": identity + "/container"}, s3.Options{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			forgetCredentials(t)
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			o := test.options
			o.Endpoint, o.PlainHTTP, o.Bucket, o.Prefix, o.Region = given.Endpoint, true, given.Bucket, given.Prefix, given.Region
			s := open(t, o)
			put(t, s, "by/"+test.name, "x")
		})
	}
}

// Credentials that end in the midst of the work are had anew, from a file that
// somebody has renewed as from a service, also when this said that they were
// good for longer.
func TestCredentialsThatEndAreHadAnew(t *testing.T) {
	var current atomic.Value // the key that is handed out
	file := filepath.Join(t.TempDir(), "credentials")
	renew := func(key string) {
		current.Store(key)
		text := fmt.Sprintf("[default]\naws_access_key_id=%s\naws_secret_access_key=a secret\naws_session_token=token of %[1]s\n", key)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	container := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"AccessKeyId": %q, "SecretAccessKey": "a secret", "Token": "a token", "Expiration": "2999-01-01T00:00:00Z"}`, current.Load())
	}))
	t.Cleanup(container.Close)
	for name, env := range map[string][2]string{
		"file":      {"AWS_SHARED_CREDENTIALS_FILE", file},
		"container": {"AWS_CONTAINER_CREDENTIALS_FULL_URI", container.URL},
	} {
		t.Run(name, func(t *testing.T) {
			forgetCredentials(t)
			t.Setenv(env[0], env[1])
			renew("first")
			f := newFake(t)
			var ended atomic.Bool
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if !ended.Load() || !strings.Contains(r.Header.Get("Authorization"), "Credential=first/") {
					return false
				}
				fail(w, http.StatusBadRequest, "ExpiredToken")
				return true
			}
			o := f.options()
			o.AccessKeyID, o.SecretAccessKey = "", ""
			s := open(t, o)
			put(t, s, "a", "x")
			ended.Store(true)
			if err := s.Put(t.Context(), "b", storage.Bytes([]byte("x")), storage.PutOptions{}); err == nil || storage.IsPermanent(err) {
				t.Fatalf("with credentials that ended: %v, want something that is tried again", err)
			}
			renew("second")
			if err := s.Put(t.Context(), "b", storage.Bytes([]byte("x")), storage.PutOptions{}); err != nil {
				t.Errorf("with new credentials: %v", err)
			}
		})
	}
}

// identityService stands for the services of AWS that hand out credentials:
// for a role, for a web identity, and to a container. MinIO has no such thing
// for keys like ours.
func identityService(t *testing.T, id, secret string) string {
	t.Helper()
	const until = "2999-01-01T00:00:00Z"
	handle := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/container" {
			fmt.Fprintf(w, `{"AccessKeyId": %q, "SecretAccessKey": %q, "Expiration": %q}`, id, secret, until)
			return
		}
		action := r.FormValue("Action")
		signed := strings.Contains(r.Header.Get("Authorization"), "Credential=own key/")
		identified := r.FormValue("WebIdentityToken") == "a token of the web identity"
		if r.FormValue("RoleArn") != "arn:aws:iam::1:role/backup" || !(action == "AssumeRole" && signed) && !(action == "AssumeRoleWithWebIdentity" && identified) {
			http.Error(w, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>", http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials>
			<AccessKeyId>%[2]s</AccessKeyId><SecretAccessKey>%[3]s</SecretAccessKey><Expiration>%[4]s</Expiration>
			</Credentials></%[1]sResult></%[1]sResponse>`, action, id, secret, until)
	}
	s := httptest.NewServer(http.HandlerFunc(handle))
	t.Cleanup(s.Close)
	return s.URL
}

// forgetCredentials takes away what this machine may have.
func forgetCredentials(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
		"MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
		"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
}

// script is a program that prints credentials as AWS's tools want it.
func script(t *testing.T, id, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credentials.sh")
	text := fmt.Sprintf("#!/bin/sh\necho '{\"Version\": 1, \"AccessKeyId\": \"%s\", \"SecretAccessKey\": \"%s\", \"Expiration\": \"2999-01-01T00:00:00Z\"}'\n", id, secret)
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNoCredentials(t *testing.T) {
	o := place(t)
	o.AccessKeyID, o.SecretAccessKey = "", ""
	forgetCredentials(t)
	_, err := open(t, o).Stat(t.Context(), "config")
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("Stat without credentials = %v, want it said where they were looked for", err)
	}
	o.AccessKeyID = "half"
	if _, err := s3.Open(t.Context(), o); err == nil {
		t.Error("Open with half of the credentials = nil")
	}
}

func TestAnonymous(t *testing.T) {
	o := place(t)
	put(t, open(t, o), "config", "x")
	policy := fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]},
		"Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::%s/*"]}]}`, o.Bucket)
	if err := servers.S3(t).Client().SetBucketPolicy(t.Context(), o.Bucket, policy); err != nil {
		t.Fatal(err)
	}
	o.AccessKeyID, o.SecretAccessKey, o.Anonymous = "", "", true
	s := open(t, o)
	if got := read(t, s, "config"); got != "x" {
		t.Errorf("read %q", got)
	}
	if err := s.Put(t.Context(), "a", storage.Bytes([]byte("x")), storage.PutOptions{}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Put = %v", err)
	}
}

// TestErrorsSayWhatToDo, are not tried again, and hold no secret.
func TestErrorsSayWhatToDo(t *testing.T) {
	good := place(t)
	tests := []struct {
		name   string
		change func(o *s3.Options)
		is     error
		says   string
	}{
		{"no such bucket", func(o *s3.Options) { o.Bucket = "no-such-bucket" }, storage.ErrSetup, `no bucket "no-such-bucket"`},
		{"wrong key", func(o *s3.Options) { o.AccessKeyID = "nobody-is-called-so" }, fs.ErrPermission, "access key"},
		{"wrong secret", func(o *s3.Options) { o.SecretAccessKey = "a-wrong-secret-access-key" }, fs.ErrPermission, "access key"},
		{"wrong region", func(o *s3.Options) { o.Region = "mars-north-1" }, storage.ErrSetup, "-o s3.region=us-east-1"},
		{"TLS to a plain port", func(o *s3.Options) { o.PlainHTTP = false }, storage.ErrSetup, "s3:http://"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := good
			test.change(&o)
			s := open(t, o)
			err := s.List(t.Context(), "", func(storage.Info) error { return nil })
			if !errors.Is(err, test.is) || !storage.IsPermanent(err) || errors.Is(err, storage.ErrNotFound) {
				t.Errorf("List = %v, want %v", err, test.is)
			}
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), o.SecretAccessKey) {
				t.Errorf("List = %v, want %q in it, and no secret", err, test.says)
			}
			if strings.Contains(s.Location(), o.SecretAccessKey) {
				t.Error("Location holds the secret")
			}
		})
	}
}

func TestImpossibleBucket(t *testing.T) {
	o := place(t)
	o.Bucket = "UPPER CASE!"
	if _, err := s3.Open(t.Context(), o); !errors.Is(err, storage.ErrSetup) {
		t.Errorf("Open = %v, want ErrSetup", err)
	}
}

func TestRegionIsAskedFor(t *testing.T) {
	o := place(t)
	o.Region = ""
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	put(t, open(t, o), "config", "x")
}
