package remote

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"holdfast/test/servers"
)

// counter stands before a server and notes what is asked of it.
type counter struct {
	mu   sync.Mutex
	seen []string
}

// newCounter returns a counter and the URL to reach it at.
func newCounter(t *testing.T, target string) (*counter, string) {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	c := new(counter)
	// The host stays as the client named it: it is signed.
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, r.In.Host
	}}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.seen = append(c.seen, r.Method+" "+r.URL.RequestURI())
		c.mu.Unlock()
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return c, front.URL
}

// take returns what was asked since it was called last.
func (c *counter) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	c.seen = nil
	return seen
}

// Requests cost money: no command makes more of them than restic's.
func TestNoMoreRequestsThanRestic(t *testing.T) {
	s := servers.S3(t)
	asked, endpoint := newCounter(t, s.Endpoint)
	folder := makeFolder(t)
	bucket := s.Bucket(t)
	theirs := s3Place(t, s, endpoint, bucket)
	ours := s3Place(t, s, endpoint, s.Bucket(t))
	var table strings.Builder
	for _, step := range []struct {
		name   string
		args   []string
		before func()
	}{
		{name: "init", args: []string{"init"}},
		{name: "backup", args: []string{"backup", folder}},
		{name: "backup, nothing new", args: []string{"backup", folder}},
		{name: "backup, changed", args: []string{"backup", folder}, before: func() { changeFolder(t, folder) }},
		{name: "snapshots", args: []string{"snapshots"}},
		{name: "check", args: []string{"check"}},
		{name: "check --read-data", args: []string{"check", "--read-data"}},
		{name: "restore", args: []string{"restore", "latest", "--target", t.TempDir()}},
		// Which blobs share a pack, and how many packs are rewritten then, is chance in each repository.
		{name: "forget --prune", args: []string{"forget", "--keep-last", "1", "--prune", "--max-unused", "0"}, before: func() {
			same := s.Bucket(t)
			copyBucket(t, s, bucket, same)
			ours = s3Place(t, s, endpoint, same)
			ours.run(t, "forget", "--keep-last", "1", "--prune", "--dry-run") // fills its cache, as restic's is
			asked.take()
		}},
		{name: "prune, nothing to do", args: []string{"prune"}},
	} {
		if step.before != nil {
			step.before()
		}
		theirs.runRestic(t, step.args...)
		want := asked.take()
		ours.run(t, step.args...)
		got := asked.take()
		fmt.Fprintf(&table, "%-24s %3d %3d\n", step.name, len(want), len(got))
		if len(got) > len(want) {
			t.Errorf("%s took %d requests, restic's %d:\n%s\nrestic's:\n%s", step.name, len(got), len(want), list(got), list(want))
		}
	}
	wantRestored(t, ours.run, folder)
	t.Logf("requests of restic, and ours:\n%s", table.String())
}

func list(requests []string) string {
	slices.Sort(requests)
	return strings.Join(requests, "\n")
}
