// Package httpx is how the stores that speak HTTP reach their service: one
// way to keep connections, and to notice those that stand still.
//
// A request is given up with ErrStalled when nothing moved on it for a while,
// in either direction. Only waiting for the service counts: a slow disk that
// the body is read from, and a caller who takes the answer slowly, may take
// as long as they like. So there is no bound on how long a request takes that
// moves, and none is needed.
package httpx

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"time"
)

// Options tell how a service is reached. The zero value has the defaults.
type Options struct {
	// Connections bounds the connections open at once; 0: no bound. More
	// requests wait, and so do those whose callers hold answers half read.
	Connections int
	// CACertFile holds the certificates (PEM) of authorities to be trusted
	// besides the ones of the system.
	CACertFile string
	// ClientCertFile holds a certificate and its private key (PEM), to be
	// shown to the service.
	ClientCertFile string
	// AnyServer takes whoever answers for the service: no certificate is
	// checked.
	AnyServer bool
	// Socket, if set, is the Unix socket that every connection is made to.
	Socket string
	// Stall is how long nothing may move on a request. Default 2 minutes: busy
	// services take their time with an answer, and trying again too early
	// makes them busier.
	Stall time.Duration
}

// ErrStalled says that nothing moved on a connection for too long.
var ErrStalled = errors.New("the connection stalled")

// Idle connections to one service that are kept for later. The default of
// net/http, two, makes most uploads of a pool of workers begin with a new
// connection, which costs three round trips.
const idleConnections = 64

// Transport is an http.RoundTripper that gives up requests that stall.
type Transport struct {
	base  *http.Transport
	stall time.Duration
}

// NewTransport makes a Transport. An error names a file of certificates that
// cannot be used.
func NewTransport(o Options) (*Transport, error) {
	roots, err := rootsWith(o.CACertFile)
	if err != nil {
		return nil, err
	}
	certificates, err := clientCertificate(o.ClientCertFile)
	if err != nil {
		return nil, err
	}
	// One stream for each connection: over HTTP/2 all requests would share
	// the congestion window of a single one, which a long line never fills.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &Transport{
		base: &http.Transport{
			Proxy:               o.proxy(),
			DialContext:         o.dial(),
			TLSHandshakeTimeout: 30 * time.Second,
			TLSClientConfig:     &tls.Config{RootCAs: roots, Certificates: certificates, InsecureSkipVerify: o.AnyServer}, //nolint:gosec // only when the user says so
			MaxConnsPerHost:     o.Connections,
			MaxIdleConnsPerHost: idleConnections,
			IdleConnTimeout:     90 * time.Second,
			// For requests that ask first whether to send their body.
			ExpectContinueTimeout: 10 * time.Second,
			// What is stored is what is sent; the length said must be the real one.
			DisableCompression: true,
			Protocols:          protocols,
			WriteBufferSize:    64 << 10,
			ReadBufferSize:     64 << 10,
		},
		stall: cmp.Or(o.Stall, 2*time.Minute),
	}, nil
}

// proxy returns how a proxy is chosen.
func (o *Options) proxy() func(*http.Request) (*url.URL, error) {
	if o.Socket != "" {
		return nil
	}
	return http.ProxyFromEnvironment
}

// dial returns how connections are made.
func (o *Options) dial() func(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	if o.Socket == "" {
		return d.DialContext
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", o.Socket) }
}

// clientCertificate returns what the service is shown, nothing for no file.
func clientCertificate(file string) ([]tls.Certificate, error) {
	if file == "" {
		return nil, nil
	}
	c, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		return nil, fmt.Errorf("read the certificate to show: %w; %s must hold a certificate and its private key in PEM form", err, file)
	}
	return []tls.Certificate{c}, nil
}

// rootsWith returns the authorities of the system and those in file, or nil
// for the default.
func rootsWith(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the certificates to trust: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil { // a system without any
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read the certificates to trust: %s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// CloseIdleConnections closes the connections that serve no request.
func (t *Transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// RoundTrip sends one request; see http.RoundTripper. An error never passes
// for the end of the caller's context unless it is that: the timeout of a
// dial says of itself that it is context.DeadlineExceeded, which would stop
// every retry.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	w := newWatch(req.Context(), t.stall)
	resp, err := t.base.RoundTrip(w.watched(req))
	w.answered()
	if err != nil {
		err = explainDistrust(w.explain(err))
		w.end()
		return nil, err
	}
	resp.Body = &answerBody{body: resp.Body, watch: w}
	return resp, nil
}

// watched returns req with everything that moves on it told to w.
func (w *watch) watched(req *http.Request) *http.Request {
	// Waiting for a free connection is no stall, and dialling has its own bound.
	ctx := httptrace.WithClientTrace(w.ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { w.sending(true) },
	})
	out := req.WithContext(ctx)
	if req.Body == nil || req.Body == http.NoBody {
		return out
	}
	out.Body = &sentBody{body: req.Body, watch: w}
	if again := req.GetBody; again != nil {
		out.GetBody = func() (io.ReadCloser, error) {
			b, err := again()
			return &sentBody{body: b, watch: w}, err
		}
	}
	return out
}

// hideContextErrors makes err one that is no context error, though it may say
// so of itself.
func hideContextErrors(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return opaque(err.Error())
	}
	return err
}

type opaque string

func (o opaque) Error() string { return string(o) }
