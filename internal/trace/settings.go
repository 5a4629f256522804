package trace

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// settings say where spans go and how.
type settings struct {
	url         string
	headers     http.Header
	timeout     time.Duration
	compressed  bool
	certificate string // of the authority that the collector's is of
	clientCert  string
	clientKey   string
}

const (
	// defaultEndpoint and defaultTimeout are those of the specification.
	defaultEndpoint = "http://localhost:4318"
	defaultTimeout  = 10 * time.Second
)

// Asked tells whether the environment of this process asks for traces.
func Asked() bool { return variable("ENDPOINT") != "" || os.Getenv("OTEL_TRACES_EXPORTER") == "otlp" }

// variable returns a variable of the exporter: the one for traces alone, or the
// one for all signals.
func variable(name string) string {
	return strings.TrimSpace(cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_"+name), os.Getenv("OTEL_EXPORTER_OTLP_"+name)))
}

// readSettings returns nil if no traces are asked for.
func readSettings(o Options) (*settings, error) {
	switch exporter := os.Getenv("OTEL_TRACES_EXPORTER"); {
	case strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true"), exporter == "none", !Asked() && o.Endpoint == "":
		return nil, nil //nolint:nilnil // nobody asks
	case exporter != "" && exporter != "otlp":
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER=%s: holdfast knows otlp and none", exporter)
	}
	if protocol := variable("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL=%s: holdfast speaks http/protobuf; collectors listen for it on port 4318", protocol)
	}
	s := &settings{
		certificate: variable("CERTIFICATE"), clientCert: variable("CLIENT_CERTIFICATE"), clientKey: variable("CLIENT_KEY"),
	}
	var err error
	if s.url, err = endpoint(o); err != nil {
		return nil, err
	}
	headers := variable("HEADERS")
	if variable("ENDPOINT") == "" { // those of the file are secrets that its endpoint shares
		headers = cmp.Or(headers, o.Headers)
	}
	if s.headers, err = parseHeaders(headers); err != nil {
		return nil, err
	}
	if s.timeout, err = parseTimeout(variable("TIMEOUT")); err != nil {
		return nil, err
	}
	switch c := variable("COMPRESSION"); c {
	case "", "none":
	case "gzip":
		s.compressed = true
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_COMPRESSION=%s: write gzip or none", c)
	}
	return s, nil
}

// endpoint returns where spans are posted: at the URL for traces as it is, or
// below the one for all signals.
func endpoint(o Options) (string, error) {
	text, path := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), ""
	if text == "" {
		text, path = cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"), o.Endpoint, defaultEndpoint), "v1/traces"
	}
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" { // err would show all of it
		return "", errors.New("the endpoint for traces is no URL such as http://127.0.0.1:4318")
	}
	if path != "" {
		u = u.JoinPath(path)
	}
	return u.String(), nil
}

// parseHeaders reads name=value,name=value. Its errors show nothing: values
// are secrets.
func parseHeaders(text string) (http.Header, error) {
	headers := http.Header{}
	for pair := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, found := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !found || name == "" || err != nil {
			return nil, errors.New("the headers for traces are not written as name=value,name=value")
		}
		headers.Set(name, value)
	}
	return headers, nil
}

func parseTimeout(milliseconds string) (time.Duration, error) {
	if milliseconds == "" {
		return defaultTimeout, nil
	}
	n, err := strconv.Atoi(milliseconds)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT=%s: write milliseconds, such as 10000", milliseconds)
	}
	return time.Duration(n) * time.Millisecond, nil
}

// client is for requests to the collector alone.
func (s *settings) client() (*http.Client, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.certificate != "" {
		pem, err := os.ReadFile(s.certificate)
		if err != nil {
			return nil, fmt.Errorf("read OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %s has no certificate in PEM form", s.certificate)
		}
	}
	if s.clientCert != "" || s.clientKey != "" {
		own, err := tls.LoadX509KeyPair(s.clientCert, s.clientKey)
		if err != nil {
			return nil, fmt.Errorf("read OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and _CLIENT_KEY: %w", err)
		}
		c.Certificates = []tls.Certificate{own}
	}
	return &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: c, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute},
		// A collector that sends elsewhere is misread; secrets do not follow.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}
