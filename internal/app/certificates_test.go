package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/storage"
)

// secureServer has nothing, over TLS, for whoever shows a certificate. It
// returns a URL of each kind for it, and a file with its own certificate.
func secureServer(t *testing.T) (urls []string, certificate string) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "https://")
	return []string{"rest:https://" + host + "/", "s3:https://" + host + "/bucket", "azure://account/container", "gs:bucket:/"},
		pemFile(t, "server.pem", &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func pemFile(t *testing.T, name string, blocks ...*pem.Block) string {
	t.Helper()
	var text []byte
	for _, b := range blocks {
		text = append(text, pem.EncodeToMemory(b)...)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ownCertificate makes a certificate and its key, in one file.
func ownCertificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemFile(t, "own.pem", &pem.Block{Type: "CERTIFICATE", Bytes: der}, &pem.Block{Type: "PRIVATE KEY", Bytes: private})
}

// Certificates are those that settings name or, for all kinds of servers, that
// variables do; without any nobody is trusted who is not known, but on demand.
func TestCertificates(t *testing.T) {
	for _, name := range []string{"HOLDFAST_CACERT", "RESTIC_CACERT", "HOLDFAST_TLS_CLIENT_CERT", "RESTIC_TLS_CLIENT_CERT", "GOOGLE_ACCESS_TOKEN"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	urls, trusted := secureServer(t)
	own := ownCertificate(t)
	server := strings.TrimSuffix(strings.TrimPrefix(urls[0], "rest:"), "/")
	t.Setenv("AZURE_ACCOUNT_KEY", "a2V5")
	for _, url := range urls {
		settings := func(more map[string]string) map[string]string {
			if more == nil {
				more = map[string]string{}
			}
			switch kind, _ := KindOf(url); kind {
			case "azure":
				more["endpoint"] = server + "/account"
			case "gs":
				more["endpoint"], more["anonymous"] = server, "true"
			}
			return more
		}
		look := func(o StoreOptions) error {
			t.Helper()
			s, err := OpenStore(t.Context(), url, o)
			if err != nil {
				t.Fatalf("%s: %v", url, err)
			}
			defer storage.Close(s)
			ctx := t.Context()
			_, err = s.Stat(ctx, "config")
			return err
		}
		unknown := func(err error) bool {
			var authority x509.UnknownAuthorityError
			return errors.As(err, &authority)
		}
		if err := look(StoreOptions{Settings: settings(map[string]string{"client-cert": own})}); !unknown(err) || !storage.IsPermanent(err) {
			t.Errorf("%s: a server that nobody knows: %v", url, err)
		}
		err := look(StoreOptions{Settings: settings(map[string]string{"ca-cert": trusted})})
		if !errors.Is(err, storage.ErrSetup) || !strings.Contains(err.Error(), "--tls-client-cert") {
			t.Errorf("%s: a server that wants a certificate: %v", url, err)
		}
		for how, o := range map[string]StoreOptions{
			"settings":     {Settings: settings(map[string]string{"ca-cert": trusted, "client-cert": own})},
			"any server":   {Settings: settings(map[string]string{"client-cert": own}), AnyServer: true},
			"RESTIC_...":   {Settings: settings(nil)},
			"HOLDFAST_...": {Settings: settings(nil)},
		} {
			if prefix, ok := strings.CutSuffix(how, "..."); ok {
				t.Setenv(prefix+"CACERT", trusted)
				t.Setenv(prefix+"TLS_CLIENT_CERT", own)
			}
			if err := look(o); !errors.Is(err, storage.ErrNotFound) && !errors.Is(err, storage.ErrSetup) || unknown(err) {
				t.Errorf("%s by %s: %v", url, how, err)
			}
			if files := LoginFiles(url, nil); strings.HasSuffix(how, "...") && (!slices.Contains(files, trusted) || !slices.Contains(files, own)) {
				t.Errorf("%s by %s: logging in takes %q", url, how, files)
			}
			for _, name := range []string{"HOLDFAST_CACERT", "RESTIC_CACERT", "HOLDFAST_TLS_CLIENT_CERT", "RESTIC_TLS_CLIENT_CERT"} {
				t.Setenv(name, "")
			}
		}
	}
}
