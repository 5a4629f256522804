package pitr

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/test/pgcluster"
)

// The oracle: transactions with their instants are written while base backups
// are taken, receivers and servers are killed, the store goes away and comes
// back, and primaries are lost for good. Then random instants are restored, and
// every row is compared with what must be there.
func TestOracle(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		seed := stormSeed(t)
		w := newStorm(t, bin, seed)
		for range failovers {
			for range stormEvents() {
				w.event()
			}
			w.failover()
		}
		w.write(10)
		w.s.waitArchived(w.c)
		w.receiver.stop()
		t.Log(w.s.run("wal", "status", "--plan", "shop"))

		latest := w.s.restore()
		w.want(latest, len(w.moments), "the end of the log")
		checkCluster(t, latest)
		for range stormRestores() {
			m := w.moments[w.rng.IntN(len(w.moments)-1)]
			w.restored(m, "--to-lsn", m.lsn)
			m = w.moments[w.rng.IntN(len(w.moments)-1)]
			w.restored(m, "--to-time", m.time)
		}
		for name, n := range w.points {
			w.restored(moment{n: n}, "--to-name", name)
			if !soaking() {
				break
			}
		}
	})
}

// failovers is how often the primary is lost: timelines 2 and 3 follow.
const failovers = 2

// stormEvents is how much happens on each timeline.
func stormEvents() int {
	if soaking() {
		return 25
	}
	return 4
}

// stormRestores is how many instants of each kind are restored.
func stormRestores() int {
	if soaking() {
		return 40
	}
	return 1
}

// stormSeed is what everything random comes from: HOLDFAST_SEED to see the same
// again.
func stormSeed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano()) //nolint:gosec // any will do
	if given, err := strconv.ParseUint(os.Getenv("HOLDFAST_SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("HOLDFAST_SEED=%d", seed)
	return seed
}

// storm is what happens to a server, and what it must hold.
type storm struct {
	*oracle
	s        *shop
	bin      string
	rng      *rand.Rand
	receiver *receiver
	points   map[string]int // restore points
	backups  int
}

func newStorm(t *testing.T, bin string, seed uint64) *storm {
	t.Helper()
	c := pgcluster.New(t, bin)
	c.Exec("CREATE TABLE ledger (n bigint PRIMARY KEY, v bigint NOT NULL, filler text)")
	s := newShop(t, bin, c.DSN(), "stream")
	w := &storm{oracle: &oracle{t: t, c: c}, s: s, bin: bin, rng: rand.New(rand.NewPCG(seed, 1)), points: map[string]int{}} //nolint:gosec // it has to be the same again
	w.receiver = s.receive()
	w.backup()
	w.write(5)
	return w
}

// event lets something happen, and writes before, while and after.
func (w *storm) event() {
	w.t.Helper()
	events := []func(){w.backup, w.point, w.killReceiver, w.killServer, w.killBoth, w.outage}
	w.write(1 + w.rng.IntN(5))
	events[w.rng.IntN(len(events))]()
	w.write(1 + w.rng.IntN(5))
}

func (w *storm) backup() {
	w.t.Log("base backup")
	w.s.run("plan", "run", "shop")
	w.backups++
}

func (w *storm) point() {
	name := fmt.Sprintf("point %d", len(w.moments))
	w.t.Log(name)
	w.c.Exec("SELECT pg_create_restore_point('" + name + "')")
	w.points[name] = len(w.moments)
	w.c.Exec("CHECKPOINT") // something in the log that is behind it
}

func (w *storm) killReceiver() {
	w.t.Log("the receiver is killed")
	w.receiver.kill()
}

func (w *storm) killServer() {
	w.t.Log("the server is killed")
	w.c.Kill()
	w.c.Start()
}

func (w *storm) killBoth() {
	w.t.Log("both are killed")
	w.receiver.kill()
	w.c.Kill()
	w.c.Start()
}

// outage takes the store away while transactions and segments go on.
func (w *storm) outage() {
	w.t.Log("the store is away")
	place := filepath.Join(w.s.dir, "repository")
	if err := os.Rename(place, place+".away"); err != nil {
		w.t.Fatal(err)
	}
	w.write(3)
	w.c.Exec("SELECT pg_switch_wal()")
	w.write(3)
	time.Sleep(1500 * time.Millisecond) // longer than the receiver waits to send what is new
	// What was made in its place meanwhile is not the store.
	err := os.RemoveAll(place)
	if err := errors.Join(err, os.Rename(place+".away", place)); err != nil {
		w.t.Fatal(err)
	}
}

// failover loses the primary for good; a standby that has everything takes its
// place, on a new timeline.
func (w *storm) failover() {
	w.t.Helper()
	w.t.Log("the primary is lost")
	standby := pgcluster.Attach(w.t, w.bin, filepath.Join(pgcluster.Folder(w.t), "data"))
	pgcluster.Run(w.t, filepath.Join(w.bin, "pg_basebackup"), "-d", w.c.DSN(), "-D", standby.Data, "-R", "-X", "stream", "--no-sync", "-c", "fast")
	standby.Start()
	w.write(5)
	w.s.waitArchived(w.c)
	standby.WaitReplayed(w.c)
	w.receiver.stop()
	w.c.Kill()
	standby.Promote()
	w.s.write("holdfast.yaml", strings.ReplaceAll(read(w.t, w.s.config), w.c.DSN(), standby.DSN()))
	w.c = standby
	w.receiver = w.s.receive()
	w.write(5)
}

// write commits numbered transactions that insert, change and delete rows, and
// remembers an instant after each.
func (w *storm) write(count int) {
	w.t.Helper()
	for range count {
		n := len(w.moments) + 1
		w.c.Exec(fmt.Sprintf("BEGIN; INSERT INTO ledger VALUES (%[1]d, 0, repeat(md5('%[1]d'), 20)); UPDATE ledger SET v = v + %[1]d WHERE n = %[2]d; DELETE FROM ledger WHERE n = %[3]d; COMMIT",
			n, touched(n), deleted(n)))
		lsn, instant, _ := strings.Cut(w.c.Query("SELECT pg_current_wal_insert_lsn() || ' ' || clock_timestamp()"), " ")
		w.moments = append(w.moments, moment{n, lsn, instant})
		time.Sleep(2 * time.Millisecond) // clocks of commits are that coarse
	}
}

// touched and deleted are the rows that transaction n changes and deletes.
func touched(n int) int { return n / 2 }

func deleted(n int) int {
	if n%3 != 0 {
		return 0
	}
	return n / 3
}

// rows is all that the table has after transaction n.
func rows(n int) string {
	values := map[int]int{}
	for k := 1; k <= n; k++ {
		values[k] = 0
		if _, ok := values[touched(k)]; ok {
			values[touched(k)] += k
		}
		delete(values, deleted(k))
	}
	var out []string
	for k := 1; k <= n; k++ {
		if v, ok := values[k]; ok {
			out = append(out, fmt.Sprintf("%d:%d", k, v))
		}
	}
	return strings.Join(out, " ")
}

// want compares every row of a restored server.
func (w *storm) want(c *pgcluster.Cluster, n int, what string) {
	w.t.Helper()
	want := rows(n)
	got := c.Query("SELECT string_agg(n || ':' || v, ' ' ORDER BY n) FROM ledger")
	if got != want {
		w.t.Errorf("recovered to %s, transaction %d: the rows are\n%s\nwant\n%s", what, n, got, want)
	}
	if spoiled := c.Query("SELECT count(*) FROM ledger WHERE filler <> repeat(md5(n::text), 20)"); spoiled != "0" {
		w.t.Errorf("recovered to %s: %s rows are spoiled", what, spoiled)
	}
}

// restored restores to a moment, unless no base backup was complete before it.
func (w *storm) restored(m moment, target ...string) {
	w.t.Helper()
	if out, err := w.s.try(append([]string{"restore", "--plan", "shop", "--target", filepath.Join(w.s.dir, "dry"), "--dry-run"}, target...)...); err != nil {
		w.t.Fatalf("%v: %v\n%s", target, err, out)
	}
	c := w.s.restore(target...)
	w.want(c, m.n, strings.Join(target, " "))
	c.Stop()
}

// receiver is `holdfast wal receive` under somebody who starts it again
// whenever it ends, as service managers do.
type receiver struct {
	mu      sync.Mutex
	cmd     *exec.Cmd
	stopped bool
	ended   chan struct{}
	said    []string
}

// receive starts one.
func (s *shop) receive() *receiver {
	r := &receiver{ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		for r.once(s) {
			time.Sleep(100 * time.Millisecond) // it may have nothing to connect to yet
		}
	}()
	s.t.Cleanup(func() {
		r.stop()
		if s.t.Failed() {
			s.t.Logf("the receivers said:\n%s", strings.Join(r.said, "\n"))
		}
	})
	return r
}

// once runs it once, and returns false when it was told to stop.
func (r *receiver) once(s *shop) bool {
	cmd := s.command("wal", "receive", "--plan", "shop")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	r.mu.Lock()
	if r.stopped {
		r.mu.Unlock()
		return false
	}
	err := cmd.Start()
	r.cmd = cmd
	r.mu.Unlock()
	if err == nil {
		err = cmd.Wait()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(slices.Clip(r.said), fmt.Sprintf("%s%v", out.String(), err))
	return !r.stopped
}

// kill kills it as the kernel does; another is started.
func (r *receiver) kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cmd != nil && r.cmd.Process != nil {
		r.cmd.Process.Kill() //nolint:errcheck // it may have ended
	}
}

// stop ends it for good.
func (r *receiver) stop() {
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	for {
		r.mu.Lock()
		if r.cmd != nil && r.cmd.Process != nil {
			r.cmd.Process.Signal(os.Interrupt) //nolint:errcheck // as above
		}
		r.mu.Unlock()
		select {
		case <-r.ended:
			return
		case <-time.After(20 * time.Second):
			r.kill()
		}
	}
}
