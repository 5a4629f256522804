package compat

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"holdfast/test/program"
)

// togetherFor is how long both programs work on one repository.
const togetherFor = 12 * time.Second

// Both programs back up, forget and prune in one repository at the same time.
// Whatever either has acknowledged must be there in the end.
func TestTogether(t *testing.T) {
	eachRestic(t, func(t *testing.T, restic program.Program) {
		p := resticPlace(t, restic)
		// Two restics that make one cache at the same instant fail on its
		// version file: the first one is let through alone.
		p.restic.Run(t, "snapshots")
		var workers sync.WaitGroup
		end := time.Now().Add(togetherFor)
		writers := []*writer{newWriter(t, p.ours, "holdfast"), newWriter(t, p.ours, "holdfast-2"), newWriter(t, p.restic, "restic")}
		for _, w := range writers {
			workers.Go(func() {
				for time.Now().Before(end) && !t.Failed() {
					w.backup(t)
				}
			})
		}
		// The newest snapshot of each host survives, so what is acknowledged
		// must last. Whoever waits long for the lock removes nearly all others,
		// which holdfast has to be allowed.
		forget := []string{"forget", "--keep-last", "1", "--group-by", "host", "--prune", "--max-unused", "0", "--quiet"}
		for _, cleaner := range []struct {
			by   program.Program
			args []string
		}{{p.ours, append(slices.Clone(forget), "--max-share", "100")}, {p.restic, forget}} {
			workers.Go(func() {
				for round := 0; time.Now().Before(end) && !t.Failed(); round++ {
					inTurn(t, cleaner.by, round, cleaner.args...)
				}
			})
		}
		workers.Wait()
		if t.Failed() {
			return
		}
		p.wantSound(t)
		p.ours.Run(t, "check", "--read-data")
		for _, w := range writers {
			w.wantNewest(t, p)
		}
	})
}

// writer changes a folder of its own and backs it up, over and over.
type writer struct {
	by     program.Program
	host   string
	folder string
	random *rand.Rand
	rounds int
	// attempts counts rounds that were locked out, too.
	attempts int
	// folder held then.
}

func newWriter(t *testing.T, by program.Program, host string) *writer {
	t.Helper()
	folder := filepath.Join(t.TempDir(), host)
	must(t, os.Mkdir(folder, 0o755))
	return &writer{by: by, host: host, folder: folder, random: rand.New(rand.NewPCG(1, uint64(len(host))))}
}

// backup makes the folder different and backs it up.
func (w *writer) backup(t *testing.T) {
	for n := range 20 {
		content := make([]byte, 64<<10)
		for i := range content {
			content[i] = byte(w.random.Uint32())
		}
		if err := os.WriteFile(fmt.Sprintf("%s/file-%d", w.folder, n), content, 0o644); err != nil {
			t.Error(err)
			return
		}
	}
	for {
		done := inTurn(t, w.by.In(filepath.Dir(w.folder)), w.attempts, "backup", filepath.Base(w.folder), "--host", w.host, "--quiet")
		w.attempts++
		if t.Failed() {
			return
		}
		if done {
			w.rounds++
			return
		}
	}
}

// waitingTurn is every which attempt waits for the lock. Programs wait for
// seconds; the others, who give up at once, make more happen.
const waitingTurn = 4

// inTurn runs a command, and reports whether it got the lock it needs.
func inTurn(t *testing.T, by program.Program, attempt int, args ...string) bool {
	wait := "0s"
	if attempt%waitingTurn == waitingTurn-1 {
		wait = "2m"
	}
	r := by.Try(append(slices.Clone(args), "--retry-lock", wait)...)
	if r.Code != 0 && (r.Code != 11 || wait != "0s") {
		t.Errorf("%q: exit code %d\n%s", args, r.Code, r.Output())
	}
	return r.Code == 0
}

// wantNewest restores the newest snapshot and compares it with the folder.
func (w *writer) wantNewest(t *testing.T, p place) {
	t.Helper()
	t.Logf("%s made %d backups", w.host, w.rounds)
	if w.rounds == 0 {
		t.Errorf("%s made none", w.host)
		return
	}
	rows := program.JSON[row](t, p.restic, "snapshots", "--host", w.host, "--latest", "1")
	if len(rows) != 1 {
		t.Fatalf("the snapshots of %s are lost", w.host)
	}
	wantRestored(t, p.ours, rows[0].ID, w.folder)
	wantRestored(t, p.restic, rows[0].ID, w.folder)
}
