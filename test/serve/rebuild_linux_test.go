package serve

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"holdfast/internal/api"
)

// A service that was killed and lost the live state with that, or has it
// damaged, goes on with what the history and the repositories know: nothing
// that was done is done again, what is paused stays so, and schedules go on.
func TestRebuild(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, ledger string){"lost": loseLedger, "damaged": damageLedger} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.configure(`  www:
    sources: [www]
    repository: local
    schedule: { full: "@every 12h", incremental: "@every 2s" }
  resting:
    sources: [www]
    repository: offsite
    schedule: { incremental: "@every 1s" }`, noUpkeep)
			h.init()
			s := h.serve()
			s.Logged("service-started")
			h.Holdfast.Run(t, "plan", "pause", "resting")
			h.Holdfast.Run(t, "run", "start", "plans/www/backup", "--type", "full")
			h.Until("there are backups", func() bool {
				return count(ofPlan(h.runs(), "www"), "backup", "full", "succeeded") == 1 && count(h.runs(), "backup", "incremental", "succeeded") > 1
			})
			s.Signal(syscall.SIGKILL) //nolint:errcheck // it was killed
			h.Until("no process of a run is left", func() bool { return len(h.ofRuns()) == 0 })
			before := len(ofPlan(h.runs(), "resting"))
			harm(t, h.Path("state/ledger"))
			if name == "damaged" {
				s := h.serve()
				if err := s.Wait(); err == nil || !strings.Contains(s.Log(), "serve --rebuild") {
					t.Errorf("with a damaged ledger serve ends with %v, and says\n%s", err, s.Log())
				}
			}

			s = h.serve("--rebuild")
			s.Logged("the state of the service was made anew")
			h.Until("schedules go on", func() bool { return len(s.begun()) > 2 })
			if err := s.Signal(syscall.SIGTERM); err != nil {
				t.Errorf("a service that was told to end ended with %v", err)
			}
			runs := h.runs()
			if n := count(ofPlan(runs, "www"), "backup", "full", ""); n != 0 {
				t.Errorf("%d full backups have no outcome", n)
			}
			if n := count(ofPlan(runs, "www"), "backup", "full", "succeeded"); n != 1 {
				t.Errorf("%d full backups were made: one was due", n)
			}
			if n := len(ofPlan(runs, "resting")); n != before {
				t.Errorf("the plan that is paused had %d runs, and has %d", before, n)
			}
			h.judgeTimes(runs)
			h.Holdfast.Run(t, "check", "-r", "local", "--read-data")
		})
	}
}

// A machine lost all of its state: what ran, and how large repositories were, is
// known from the receipts in them.
func TestRebuildFromRepositories(t *testing.T) {
	h := newHost(t)
	h.configure(rarely("www", ""), `  listen: 127.0.0.1:0
  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: "0 0 1 1 *" } }`)
	h.init()
	h.Holdfast.Run(t, "plan", "run", "www")
	s := h.serve()
	s.Logged("service-started")
	h.Holdfast.Run(t, "run", "start", "repositories/local/check")
	h.Until("it was checked", func() bool { return count(h.history(), "check", "", "succeeded") == 1 })
	before := h.runs()
	h.Until("the repository has receipts", func() bool {
		found, err := filepath.Glob(h.Path("local/holdfast/receipts/*Z-*"))
		return err == nil && len(found) > 0 && isRecord.MatchString(found[0])
	})
	s.Signal(syscall.SIGKILL) //nolint:errcheck // it was killed
	if err := os.RemoveAll(h.Path("state")); err != nil {
		t.Fatal(err)
	}

	s = h.serve("--rebuild")
	s.Logged("the state of the service was made anew")
	if runs := h.runs(); len(runs) != 1 || runs[0].ID != before[0].ID || !runs[0].Ended.Equal(before[0].Ended) {
		t.Errorf("the history has %+v, and had %+v", runs, before)
	}
	if points := seen[[]api.GrowthPoint](s.api(), "/repositories/local/growth"); len(points) != 1 || points[0].Bytes == 0 || points[0].Snapshots != 1 {
		t.Errorf("how large the repository was: %+v", points)
	}
}

// isRecord tells a record from a file that is written to become one.
var isRecord = regexp.MustCompile(`Z-[0-9a-f]{64}$`)

func loseLedger(t *testing.T, ledger string) {
	t.Helper()
	if err := os.RemoveAll(ledger); err != nil {
		t.Fatal(err)
	}
}

// damageLedger overwrites all of every file of the ledger but its beginning,
// which says what it is.
func damageLedger(t *testing.T, ledger string) {
	t.Helper()
	damaged := 0
	err := filepath.WalkDir(ledger, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		const beginning = 8 << 10 // the two pages of a database that say where all else is
		for n := beginning; n < len(content); n++ {
			content[n] ^= 0xA5
		}
		damaged++
		return os.WriteFile(path, content, 0o600)
	})
	if err != nil || damaged == 0 {
		t.Fatalf("%d files damaged, %v", damaged, err)
	}
}
