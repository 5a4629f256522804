package api

import (
	"net/http"
	"testing"
)

// A page from anywhere that has its own name lead to the service reads nothing
// of it, and programs that watch the service ask for an address.
func TestMetricsAreForThoseWhoKnowTheService(t *testing.T) {
	t.Parallel()
	s := newHost(t).serve()
	for host, want := range map[string]map[string]int{
		"":               {"metrics": http.StatusOK, "healthz": http.StatusOK},
		"localhost:9898": {"metrics": http.StatusOK, "healthz": http.StatusOK},
		"evil.example":   {"metrics": http.StatusMisdirectedRequest, "healthz": http.StatusOK, "api/v1/plans": http.StatusMisdirectedRequest},
	} {
		for path, status := range want {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if host != "" {
				r.Host = host
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != status {
				t.Errorf("/%s asked at %q: %s", path, host, answer.Status)
			}
		}
	}
}
