package remote

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast/test/servers"
)

// azureFront makes Azurite look like Azure: HTTPS on a host named after the
// account, which is found by way of a proxy, as no name server knows it.
type azureFront struct {
	suffix      string // of the host's name
	proxy       string // URL of the proxy
	certificate string // file of the certificate to trust
}

func newAzureFront(t *testing.T, s *servers.AzureServer) azureFront {
	t.Helper()
	f := azureFront{suffix: "azure.test", certificate: filepath.Join(t.TempDir(), "certificate.pem")}
	service := httptest.NewUnstartedServer(toAzurite(t, s))
	service.TLS = &tls.Config{Certificates: []tls.Certificate{f.makeCertificate(t, s.Account+".blob."+f.suffix)}}
	service.StartTLS()
	t.Cleanup(service.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tunnel(w, r, service.Listener.Addr().String())
	}))
	t.Cleanup(proxy.Close)
	f.proxy = proxy.URL
	return f
}

// toAzurite hands requests on with the host they were sent to, by which
// Azurite knows the account.
func toAzurite(t *testing.T, s *servers.AzureServer) http.Handler {
	t.Helper()
	endpoint, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = endpoint.Scheme, endpoint.Host
			r.Out.Host = r.In.Host
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
}

// tunnel answers CONNECT with a connection to the service, whatever host was
// asked for.
func tunnel(w http.ResponseWriter, r *http.Request, service string) {
	if r.Method != http.MethodConnect {
		http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
		return
	}
	server, err := net.Dial("tcp", service)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer server.Close()
	w.WriteHeader(http.StatusOK)
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(server, buffered)
		_ = server.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(client, server)
	client.Close()
	<-done
}

// makeCertificate makes a certificate for a host, and writes it to the file.
func (f azureFront) makeCertificate(t *testing.T, host string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err == nil {
		err = os.WriteFile(f.certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
