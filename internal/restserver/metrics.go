package restserver

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// operation is what was done with an object, as rest-server names it.
type operation string

const (
	read    operation = "read"
	written operation = "write"
	deleted operation = "delete"
)

// series is one line of the metrics.
type series struct {
	operation        operation
	user, repo, kind string
}

// metrics counts operations and bytes, under the names that dashboards for
// restic's rest-server know. There are as many series as users times
// repositories times kinds.
type metrics struct {
	mu      sync.Mutex
	objects map[series]int64
	bytes   map[series]int64
}

func (m *metrics) count(q *request, o operation, bytes int64) {
	if !q.config.Prometheus {
		return
	}
	k := series{o, q.user, q.dir(), q.kind}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.objects == nil {
		m.objects, m.bytes = map[series]int64{}, map[series]int64{}
	}
	m.objects[k]++
	m.bytes[k] += bytes
}

// serveMetrics answers Prometheus. With private repositories, only the user
// named metrics sees what all the others do.
func (s *Server) serveMetrics(w *answer, r *http.Request) (user string, err error) {
	if !s.config.PrometheusNoAuth {
		user, ok := s.authenticate(r)
		if !ok || s.config.PrivateRepos && !s.config.NoAuth && user != "metrics" {
			w.Header().Set("WWW-Authenticate", `Basic realm="holdfast rest-server"`)
			return user, status{http.StatusUnauthorized, ""}
		}
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, err = w.Write([]byte(s.metrics.text()))
	return user, err
}

func (m *metrics) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := slices.SortedFunc(maps.Keys(m.objects), func(a, b series) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	var out strings.Builder
	for _, o := range []operation{read, written, deleted} {
		for name, values := range map[string]map[series]int64{"total": m.objects, "bytes_total": m.bytes} {
			metric := fmt.Sprintf("rest_server_blob_%s_%s", o, name)
			fmt.Fprintf(&out, "# TYPE %s counter\n", metric)
			for _, k := range keys {
				if k.operation == o {
					fmt.Fprintf(&out, "%s{user=%q,repo=%q,type=%q} %d\n", metric, k.user, k.repo, k.kind, values[k])
				}
			}
		}
	}
	return out.String()
}
