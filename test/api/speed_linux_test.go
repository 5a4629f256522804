package api

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"holdfast/test/api/client"
)

// While a backup runs the API answers about as quickly as a handler that does
// nothing: 100 requests a second of each are sent when they are due, whatever
// became of those before.
//
// What is measured is printed. A busy machine makes the slowest of a hundred
// answers a matter of luck: the usual run asks it of the median, and that of
// `make soak` of the 99th percentile.
func TestAnswersDuringABackup(t *testing.T) {
	soak := os.Getenv("HOLDFAST_SOAK") != ""
	files, quantile := 6, 0.5
	if soak {
		files, quantile = 40, 0.99
	}
	h := newHost(t)
	for n := range files {
		h.writeNoise(fmt.Sprintf("letters/noise-%d", n), 32<<20)
	}
	s := h.serve()
	c := s.as(s.token)
	want[*client.ListPlansResponse](t, 200)(c.ListPlansWithResponse(t.Context()))
	want[*client.StartJobResponse](t, 204)(c.StartJobWithResponse(t.Context(), client.StartRequest{Job: "plans/letters/backup"}))
	h.Until("the backup goes on", func() bool { return s.isBackingUp(c) })

	bare, api := newLoad(t), newLoad(t)
	api.token = s.token
	bare.urls = []string{s.url + "healthz"}
	for _, path := range []string{"plans", "plans/letters", "jobs", "runs", "events", "problems", "repositories", "service"} {
		api.urls = append(api.urls, s.url+"api/v1/"+path)
	}
	during := 0
	for begun := time.Now(); time.Since(begun) < time.Minute && (during == 0 || s.isBackingUp(c)); during++ {
		bare.send(100)
		api.send(100)
		time.Sleep(time.Second)
	}
	limit := 2*bare.quantile(quantile) + 10*time.Millisecond
	for _, q := range []float64{0.5, 0.9, 0.99, 1} {
		t.Logf("%3.0f%% of %d answers within: health %v, API %v", 100*q, during*100, bare.quantile(q), api.quantile(q))
	}
	if got := api.quantile(quantile); got > limit {
		t.Errorf("%.0f%% of the answers take up to %v, more than %v", 100*quantile, got, limit)
	}
}

// isBackingUp tells whether a backup runs.
func (s *running) isBackingUp(c *client.ClientWithResponses) bool {
	s.h.T.Helper()
	runs := want[*client.ListRunsResponse](s.h.T, 200)(c.ListRunsWithResponse(s.h.T.Context(), &client.ListRunsParams{Outcome: ptr("running")}))
	return len(runs.JSON200.Runs) > 0
}

// writeNoise writes a file that nothing can be saved on.
func (h *host) writeNoise(name string, size int) {
	h.T.Helper()
	noise := make([]byte, size)
	rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%32s", name)))).Read(noise) //nolint:errcheck // never fails
	h.Write(name, string(noise))
}

// load sends requests to some URLs in turn and notes how long each takes.
type load struct {
	t      testing.TB
	urls   []string
	token  string
	client *http.Client

	sent sync.WaitGroup
	mu   sync.Mutex
	took []time.Duration
}

func newLoad(t testing.TB) *load {
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	return &load{t: t, client: &http.Client{Transport: transport, Timeout: patience}}
}

// send sends requests, spread over a second, and returns at once.
func (l *load) send(requests int) {
	begun := time.Now()
	for n := range requests {
		due := begun.Add(time.Duration(n) * time.Second / time.Duration(requests))
		l.sent.Go(func() {
			time.Sleep(time.Until(due))
			if err := l.ask(l.urls[n%len(l.urls)]); err != nil {
				l.t.Error(err)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.took = append(l.took, time.Since(due))
		})
	}
}

func (l *load) ask(url string) error {
	r, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	if l.token != "" {
		r.Header.Set("Authorization", "Bearer "+l.token)
	}
	answer, err := l.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, answer.Status)
	}
	return nil
}

// quantile waits for all answers and returns within which time a share came.
func (l *load) quantile(share float64) time.Duration {
	l.sent.Wait()
	slices.Sort(l.took)
	return l.took[min(len(l.took)-1, int(share*float64(len(l.took))))].Round(10 * time.Microsecond)
}
