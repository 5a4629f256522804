package metrics

import (
	"fmt"
	"net/http"
)

// Mount has a mux answer /metrics and /healthz. Health is 200 while well
// returns nil, and 503 with the reason else. Whoever can reach them can read
// names of plans and repositories, and nothing else.
func (m *Metrics) Mount(mux *http.ServeMux, well func() error) {
	mux.Handle("GET /metrics", m.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if err := well(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
}
