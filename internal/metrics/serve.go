package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	// Limits of one request: a client that stands still holds nothing up.
	headerLimit = 10 * time.Second
	maxHeader   = 16 << 10
	endLimit    = 5 * time.Second
)

// Listen opens the address of `service.listen` for Serve. Whoever can reach it
// can read names of plans and repositories, and nothing else.
func Listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics at %s (service.listen): %w", address, err)
	}
	return l, nil
}

// Serve answers /metrics and /healthz until ctx ends. Health is 200 while well
// returns nil, and 503 with the reason else.
func (m *Metrics) Serve(ctx context.Context, l net.Listener, well func() error) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if err := well(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: headerLimit, ReadTimeout: headerLimit, WriteTimeout: scrapeLimit + headerLimit, MaxHeaderBytes: maxHeader}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endLimit)
		defer cancel()
		stopped <- server.Shutdown(ending)
	})
	err := server.Serve(l)
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
