package buckets

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"holdfast/test/servers"
	"holdfast/test/service"
)

// The service extends by itself the locks of everything that a snapshot needs,
// when less than half of the period is left; and receipts of runs it never
// locks.
func TestScheduledExtension(t *testing.T) {
	const plan = `sources: { www: { files: { paths: [%s/www] } } }
plans: { www: { sources: [www], repository: offsite, schedule: { full: "0 0 1 1 *" } } }
service:
  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: off }, extend: { schedule: "@every 2s" } }
`
	s := newSite(t, "    immutable: { mode: governance, for: 10d }\n", servers.WithObjectLock())
	s.write("www/noise", noise(7, 300_000))
	s.owner.Run(t, "init")
	s.owner.Run(t, "backup", "www")
	began := time.Now()
	if shortest, n := s.shortestLock(); n < 5 || shortest.After(began.Add(11*24*time.Hour)) {
		t.Fatalf("%d objects are locked until %v at least", n, shortest)
	}

	s.write("holdfast.yaml", fmt.Appendf(nil, "repositories:\n  offsite: { url: %q, immutable: { mode: governance, for: 35d }, password: { env: HOLDFAST_PASSWORD } }\n"+plan, s.url(), s.dir))
	h := &service.Host{T: t, Dir: s.dir, Holdfast: s.owner.With("HOLDFAST_STATE_DIR=" + filepath.Join(s.dir, "state"))}
	h.Serve().Logged("service-started")
	h.Until("all locks are extended", func() bool {
		shortest, _ := s.shortestLock()
		return shortest.After(began.Add(34 * 24 * time.Hour))
	})
	h.Until("the receipts of these runs are there", func() bool {
		return len(s.keys("repo/holdfast/receipts/")) > 0
	})
	if runs := h.Holdfast.Run(t, "run", "list", "--job", "extend", "--outcome", "failed", "--json"); strings.Contains(runs, "extend") {
		t.Errorf("some of them failed: %s", runs)
	}
	receipts := s.keys("repo/holdfast/receipts/")
	if _, until, err := s.server.Client().GetObjectRetention(t.Context(), s.bucket, receipts[0], ""); err == nil && until != nil {
		t.Errorf("receipts are locked until %v", until)
	}
}

// keys returns those of the objects below a prefix.
func (s *site) keys(prefix string) (keys []string) {
	s.t.Helper()
	for o := range s.server.Client().ListObjects(s.t.Context(), s.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			s.t.Fatal(o.Err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

// shortestLock returns until when all that is needed is locked, the zero time if
// something is not, and how many objects that are.
func (s *site) shortestLock() (shortest time.Time, objects int) {
	s.t.Helper()
	for _, key := range s.keys("repo/") {
		if strings.HasPrefix(key, "repo/locks/") || strings.HasPrefix(key, "repo/holdfast/") {
			continue
		}
		objects++
		_, until, err := s.server.Client().GetObjectRetention(s.t.Context(), s.bucket, key, "")
		if err != nil || until == nil {
			return time.Time{}, objects
		}
		if shortest.IsZero() || until.Before(shortest) {
			shortest = *until
		}
	}
	return shortest, objects
}
