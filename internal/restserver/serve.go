package restserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// headerTimeout bounds how long a client may take to say what it wants.
	headerTimeout = 30 * time.Second
	// idleTimeout is how long a connection without a request is kept. restic
	// keeps its own for 90 seconds.
	idleTimeout = 3 * time.Minute
	// stopTimeout is how long requests may go on when the server is to stop.
	stopTimeout = 30 * time.Second
	// maxHeaderBytes bounds the head of a request.
	maxHeaderBytes = 32 << 10
)

// Serve serves what comes in on l until ctx ends. Requests under way then are
// finished, for half a minute. tls may be nil.
func (s *Server) Serve(ctx context.Context, l net.Listener, t *tls.Config) error {
	if t != nil {
		l = tls.NewListener(l, t)
	}
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(s.config.Log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		finishing, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		err := server.Shutdown(finishing)
		if errors.Is(err, context.DeadlineExceeded) {
			s.config.Log.Warn("requests are broken off", "after", stopTimeout)
			err = server.Close()
		}
		stopped <- err
	})
	err := server.Serve(l)
	if stop() { // it ended by itself
		return fmt.Errorf("serve: %w", err)
	}
	err = <-stopped
	s.Close()
	return err
}

// TLSConfig serves a certificate from files, which are read again when they
// change, so that a renewed one needs no restart. minVersion is "1.2" or "1.3".
func TLSConfig(certFile, keyFile, minVersion string, log *slog.Logger) (*tls.Config, error) {
	versions := map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
	lowest, ok := versions[minVersion]
	if !ok {
		return nil, fmt.Errorf("TLS version %q: there are 1.2 and 1.3", minVersion)
	}
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	if err := c.load(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: lowest, GetCertificate: c.get, NextProtos: []string{"http/1.1"}}, nil
}

// certificate follows the files it comes from.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu       sync.Mutex
	current  *tls.Certificate
	modified time.Time
	looked   time.Time
}

func (c *certificate) load() error {
	info, err := os.Stat(c.certFile)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	c.current, c.modified, c.looked = &pair, info.ModTime(), time.Now()
	return nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < reloadEvery {
		return c.current, nil
	}
	c.looked = time.Now()
	info, err := os.Stat(c.certFile)
	if err == nil && !info.ModTime().Equal(c.modified) {
		err = c.load()
	}
	if err != nil {
		c.log.Warn("the certificate stays as it was", "error", err)
	}
	return c.current, nil
}
