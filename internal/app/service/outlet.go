package service

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/config"
	"holdfast/internal/web"
)

// outlet is what the service shows to people and programs: the dashboard, the
// API, metrics and health, on one address.
type outlet struct {
	listener net.Listener
	secured  *certificate // nil without TLS
	server   *http.Server
	api      *api.Server
	guard    *api.Guard
}

// outletEnd is how long requests may take that are under way when the service
// ends.
const outletEnd = 5 * time.Second

// openOutlet listens as the configuration says. The address that is taken
// where none is set is another program's, and no reason not to back up.
func (s *service) openOutlet(cfg *config.Config) error {
	address := cfg.Service.Listen
	if address == config.Off || address == "" && s.Once {
		return nil
	}
	usual := address == ""
	if usual {
		address = config.DefaultListen
	}
	l, err := net.Listen("tcp", address)
	switch {
	case err != nil && usual:
		s.Log.Warn("there is no dashboard and there are no metrics: set service.listen to an address that is free, or to off", "address", address, "error", err)
		return nil
	case err != nil:
		return fmt.Errorf("listen at %s (service.listen): %w", address, err)
	}
	o := &outlet{listener: l}
	s.outlet = o
	if cfg.Service.TLS.Cert != "" {
		if o.secured, err = newCertificate(cfg.Service.TLS); err != nil {
			return err
		}
		o.listener = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: o.secured.get, NextProtos: []string{"h2", "http/1.1"}})
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("listen at %s (service.listen): %w", address, err)
	}
	o.guard, err = api.NewGuard(api.GuardOptions{StateDir: string(s.dir), Hosts: append([]string{host}, cfg.Service.Hosts...), Log: s.Log, Events: s.events})
	if err != nil {
		return err
	}
	if err := s.showFirstToken(o); err != nil {
		return err
	}
	o.api = api.NewServer(s.console, o.guard, api.Options{Log: s.Log})
	o.server = api.NewHTTPServer(s.routes(o), s.Log)
	s.Log.Info("listening", "url", o.url())
	return nil
}

// showFirstToken makes the token of the administrator on the first run.
func (s *service) showFirstToken(o *outlet) error {
	if s.FirstToken == nil {
		return nil
	}
	token, err := o.guard.FirstToken()
	if err != nil {
		return err
	}
	if token != "" {
		s.FirstToken(token, o.url())
	}
	return nil
}

func (o *outlet) url() string {
	scheme := "http"
	if o.secured != nil {
		scheme = "https"
	}
	return scheme + "://" + o.listener.Addr().String() + "/"
}

// routes are all that is served. Metrics and health are for programs that know
// no token. Metrics tell names and sizes, so they are kept from the pages of
// others, which a browser would read them for; health tells nothing.
func (s *service) routes(o *outlet) http.Handler {
	guarded := http.NewServeMux()
	guarded.Handle(api.Prefix+"/", o.api)
	guarded.Handle("/", web.New(web.Options{Backend: s.console, Guard: o.guard, Log: s.Log, Zone: s.console.Zone()}))
	signals := http.NewServeMux()
	s.signals.metrics.Mount(signals, s.well)
	mux := http.NewServeMux()
	mux.Handle("/metrics", o.guard.OfThisService(signals))
	mux.Handle("/healthz", signals)
	mux.Handle("/", o.guard.Middleware(guarded))
	return mux
}

// serve answers until ctx ends.
func (o *outlet) serve(ctx context.Context) error {
	o.server.BaseContext = func(net.Listener) context.Context { return ctx }
	var following sync.WaitGroup
	following.Go(func() { o.api.Run(ctx) }) //nolint:errcheck // it ends with ctx
	defer following.Wait()
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), outletEnd)
		defer cancel()
		if o.server.Shutdown(ending) != nil {
			o.server.Close() //nolint:errcheck // the process ends
		}
	})
	err := o.server.Serve(o.listener)
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("listen (service.listen): %w", err)
	}
	<-stopped
	return nil
}

func (o *outlet) close() error {
	err := o.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	if o.guard != nil {
		err = errors.Join(err, o.guard.Close())
	}
	return err
}

// certificate is a certificate in files, which may be renewed.
type certificate struct {
	files config.TLS

	mu      sync.Mutex
	loaded  *tls.Certificate
	changed [2]time.Time // the times of the files, as they were read
	looked  time.Time
}

// certificateLook is how often it is looked whether it was renewed.
const certificateLook = 10 * time.Second

func newCertificate(files config.TLS) (*certificate, error) {
	c := &certificate{files: files}
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("read the certificate (service.tls): %w", err)
	}
	return c, nil
}

func (c *certificate) load() error {
	changed, err := c.changes()
	if err != nil {
		return err
	}
	loaded, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return err
	}
	c.loaded, c.changed, c.looked = &loaded, changed, time.Now()
	return nil
}

// changes are when the files changed. One that replaces another may be older:
// it is enough that it is a different time.
func (c *certificate) changes() (at [2]time.Time, err error) {
	for n, path := range []string{c.files.Cert, c.files.Key} {
		info, err := os.Stat(path)
		if err != nil {
			return at, err
		}
		at[n] = info.ModTime()
	}
	return at, nil
}

// get is for tls.Config. Files that do not belong together, as while they are
// renewed, leave the certificate as it was.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) > certificateLook {
		c.looked = time.Now()
		if changed, err := c.changes(); err == nil && changed != c.changed {
			c.load() //nolint:errcheck // see above
		}
	}
	return c.loaded, nil
}
