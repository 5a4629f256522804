package pitr

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/internal/postgres"
	"holdfast/test/pgcluster"
)

// soaking tells whether tests take the time that they like.
func soaking() bool { return os.Getenv("HOLDFAST_SOAK") != "" }

// process is a holdfast that runs until it is killed or stopped.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan struct{}

	mu    sync.Mutex
	lines []string
}

// start runs holdfast and collects what it prints.
func (s *shop) start(args ...string) *process {
	s.t.Helper()
	p := &process{t: s.t, cmd: s.command(args...), ended: make(chan struct{})}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	p.cmd.Stderr = p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.mu.Lock()
			p.lines = append(p.lines, lines.Text())
			p.mu.Unlock()
		}
		p.cmd.Wait() //nolint:errcheck // it is killed
	}()
	s.t.Cleanup(func() {
		p.kill()
		if s.t.Failed() {
			s.t.Logf("holdfast %s:\n%s", strings.Join(args, " "), strings.Join(p.printed(), "\n"))
		}
	})
	return p
}

// kill ends the process as a power failure would.
func (p *process) kill() {
	p.cmd.Process.Kill() //nolint:errcheck // it may have ended
	<-p.ended
}

func (p *process) printed() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

// archiving makes a server that hands its log to holdfast.
func archiving(t *testing.T, bin, wal string) (*pgcluster.Cluster, *shop) {
	t.Helper()
	c := pgcluster.New(t, bin, "archive_mode = on", "archive_command = '/bin/false'")
	c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
	s := newShop(t, bin, c.DSN(), wal)
	return c, s
}

// archiveTo has the server run holdfast for each segment.
func (s *shop) archiveTo(c *pgcluster.Cluster) {
	s.t.Helper()
	s.archiveWith(c, "wal push --plan shop %p")
}

// archiveWith has the server run a command of holdfast for its segments.
func (s *shop) archiveWith(c *pgcluster.Cluster, command string) {
	s.t.Helper()
	c.Exec(fmt.Sprintf("ALTER SYSTEM SET archive_command = 'HOLDFAST_STATE_DIR=%s TMPDIR=%s %s --config %s %s'",
		s.stateDir(), s.dir, s.binary, s.config, command))
	c.Exec("SELECT pg_reload_conf()")
}

// waitPushed waits until the server has had its last whole segment archived.
func (s *shop) waitPushed(c *pgcluster.Cluster) {
	s.t.Helper()
	c.Exec("SELECT txid_current()") // there is something to switch from
	name := c.Query("SELECT pg_walfile_name(pg_switch_wal())")
	for deadline := time.Now().Add(2 * time.Minute); c.Query(fmt.Sprintf("SELECT last_archived_wal >= '%s' FROM pg_stat_archiver", name)) != "t"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s is not archived: %s", name, c.Query("SELECT row_to_json(a) FROM pg_stat_archiver a"))
		}
	}
}

// logStatus is what `holdfast wal status` says.
type logStatus struct {
	Ranges []struct {
		End string `json:"end_lsn"`
	} `json:"ranges"`
	Gaps            []string   `json:"gaps"`
	Unproven        []string   `json:"unproven"`
	Lost            []any      `json:"lost"`
	Newest          *time.Time `json:"newest_recoverable"`
	LagBytes        *int64     `json:"lag_bytes"`
	LagSeconds      *float64   `json:"lag_seconds"`
	NeedsBaseBackup bool       `json:"needs_base_backup"`
	exit            int
}

func (s *shop) logStatus() logStatus {
	s.t.Helper()
	status, err := s.tryLogStatus()
	if err != nil {
		s.t.Fatalf("wal status: %v", err)
	}
	return status
}

// tryLogStatus fails where `wal status` cannot say anything.
func (s *shop) tryLogStatus() (logStatus, error) {
	cmd := s.command("wal", "status", "--plan", "shop", "--json")
	out, err := cmd.Output()
	var status logStatus
	line, _, _ := strings.Cut(string(out), "\n")
	if jerr := json.Unmarshal([]byte(line), &status); jerr != nil {
		return status, fmt.Errorf("%w, %w: %s", err, jerr, out)
	}
	status.exit = cmd.ProcessState.ExitCode()
	return status, nil
}

// archive_command hands over to a running holdfast, does its work when there is
// none or it dies, and what an idle server has archived does not age.
func TestWALHandOver(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c, s := archiving(t, bin, "push")
		fill := func() {
			for range 4 {
				c.Exec("INSERT INTO numbers SELECT coalesce(max(n), 0) + 1, repeat('x', 500) FROM numbers; SELECT pg_switch_wal()")
			}
		}
		fill()
		running := s.start("wal", "receive", "--plan", "shop")
		s.archiveTo(c)
		s.waitPushed(c)
		s.run("plan", "run", "shop")
		fill()
		s.waitPushed(c)
		running.kill()
		fill()
		s.waitPushed(c)
		running = s.start("wal", "receive", "--plan", "shop")
		fill()
		s.waitPushed(c)
		status := s.logStatus()
		if status.exit != 0 || status.NeedsBaseBackup || len(status.Gaps) > 0 || len(status.Ranges) != 1 {
			t.Errorf("wal status: %+v", status)
		}
		if status.LagBytes == nil || *status.LagBytes != 0 || *status.LagSeconds > 1 {
			t.Errorf("the log of an idle server lags behind: %+v", status)
		}
		running.kill()
		restored := s.restore()
		if got, want := restored.Query("SELECT count(*) FROM numbers"), c.Query("SELECT count(*) FROM numbers"); got != want {
			t.Errorf("restored %s rows, want %s", got, want)
		}
	})
}

// With wal.max_retained the server lives on while the repository is away; then
// a base backup is asked for.
func TestWALMaxRetained(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c, s := archiving(t, bin, "push")
		s.write("holdfast.yaml", strings.Replace(read(t, s.config), "wal: { every: 1s }", "wal: { max_retained: 256M }", 1))
		s.archiveTo(c)
		s.run("plan", "run", "shop")
		c.Exec("INSERT INTO numbers VALUES (1)")
		s.waitPushed(c)
		away := filepath.Join(s.dir, "away")
		if err := os.Rename(filepath.Join(s.dir, "repository"), away); err != nil {
			t.Fatal(err)
		}
		for range 18 {
			c.Exec("INSERT INTO numbers SELECT max(n) + 1 FROM numbers; SELECT pg_switch_wal()")
		}
		for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
			if note, err := os.ReadFile(filepath.Join(s.stateDir(), "wal", "shop.lost")); err == nil && len(note) > 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("nothing is let go")
			}
		}
		if err := os.Rename(away, filepath.Join(s.dir, "repository")); err != nil {
			t.Fatal(err)
		}
		s.waitPushed(c)
		status := s.logStatus()
		if status.exit != 1 || !status.NeedsBaseBackup || len(status.Gaps) == 0 || len(status.Lost) == 0 {
			t.Errorf("after log was let go: %+v", status)
		}
		s.run("plan", "run", "shop")
		if status = s.logStatus(); status.exit != 0 || status.NeedsBaseBackup {
			t.Errorf("after a new base backup: %+v", status)
		}
	})
}

// commits are what a server was told and has confirmed.
type commits struct {
	mu   sync.Mutex
	last int
	at   postgres.LSN
}

// load commits numbers one after the other, with big rows now and then, until
// ctx ends; the server may die meanwhile.
func load(ctx context.Context, c *pgcluster.Cluster, seen *commits) {
	for ctx.Err() == nil {
		conn, err := pgx.Connect(ctx, c.DSN())
		if err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		for ctx.Err() == nil {
			if err := seen.next(ctx, conn); err != nil {
				break
			}
		}
		conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it may be broken
	}
}

func (k *commits) next(ctx context.Context, conn *pgx.Conn) error {
	n := k.number() + 1
	filler := 500 + 200_000*(n%8/7)
	if _, err := conn.Exec(ctx, fmt.Sprintf("INSERT INTO numbers SELECT %d, string_agg(md5(random()::text), '') FROM generate_series(1, %d / 32) ON CONFLICT DO NOTHING", n, filler)); err != nil {
		return err
	}
	var text string
	if err := conn.QueryRow(ctx, "SELECT pg_current_wal_insert_lsn()::text").Scan(&text); err != nil {
		return err
	}
	at, err := postgres.ParseLSN(text)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last, k.at = n, at
	return err
}

func (k *commits) number() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last
}

// Whatever is killed, however often: no commit that the server confirmed with
// the archive as its synchronous standby is missing, and the archive has no
// gap. What it has confirmed last is missed when it is lost, though nothing
// followed.
func TestWALKills(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c, s := archiving(t, bin, "both")
		s.write("holdfast.yaml", strings.Replace(read(t, s.config), "wal: { every: 1s }", "wal: { every: 0s }", 1))
		running := s.start("wal", "receive", "--plan", "shop")
		s.archiveTo(c)
		s.run("plan", "run", "shop")
		s.waitArchived(c)
		c.Exec("ALTER SYSTEM SET synchronous_standby_names = 'holdfast'")
		c.Exec("SELECT pg_reload_conf()")
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		rng := rand.New(rand.NewPCG(1, seed)) //nolint:gosec // which instants does not matter
		var seen commits
		ctx, stop := context.WithCancel(t.Context())
		var writing sync.WaitGroup
		writing.Go(func() { load(ctx, c, &seen) })
		defer func() { stop(); writing.Wait() }()
		for range kills() {
			moved(t, &seen, 5+rng.IntN(40))
			who := rng.IntN(3)
			if who != 1 {
				running.kill()
			}
			if who != 0 {
				c.Kill()
				c.Start()
			}
			if who != 1 {
				running = s.start("wal", "receive", "--plan", "shop")
			}
		}
		moved(t, &seen, 5)
		stop()
		writing.Wait()
		running.kill()
		// From the archive alone, as if the host had burned down.
		c.Kill()
		last := seen.number()
		restored := s.restore()
		if got := restored.Query(fmt.Sprintf("SELECT count(*) FROM numbers WHERE n <= %d", last)); got != fmt.Sprint(last) {
			t.Errorf("%d commits were confirmed, and %s of them came back", last, got)
		}
		if status := s.logStatus(); len(status.Gaps) > 0 || len(status.Ranges) != 1 {
			t.Errorf("the archive has %+v", status)
		}
		s.wantNewestMissed(seen.at)
		t.Logf("%d kills, %d commits", kills(), last)
	})
}

// kills is how often something is killed.
func kills() int {
	if soaking() {
		return 60
	}
	return 3
}

// moved waits until some more commits were confirmed.
func moved(t *testing.T, seen *commits, by int) {
	t.Helper()
	want := seen.number() + by
	for deadline := time.Now().Add(3 * time.Minute); seen.number() < want; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing is committed any more after %d", seen.number())
		}
	}
}

// RPO is measured: how long a commit waits under load until the archive has it.
func TestWALRecoveryPointObjective(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
		s := newShop(t, bin, c.DSN(), "stream")
		s.write("holdfast.yaml", strings.Replace(read(t, s.config), "wal: { every: 1s }", "wal: {}", 1)) // as it is by default
		running := s.start("wal", "receive", "--plan", "shop", "--json")
		s.waitArchived(c)
		var seen commits
		ctx, stop := context.WithTimeout(t.Context(), loadFor())
		defer stop()
		type sample struct {
			at   postgres.LSN
			when time.Time
		}
		var samples []sample
		var writing sync.WaitGroup
		writing.Go(func() { load(ctx, c, &seen) })
		for ctx.Err() == nil {
			seen.mu.Lock()
			samples = append(samples, sample{seen.at, time.Now()})
			seen.mu.Unlock()
			time.Sleep(20 * time.Millisecond)
		}
		writing.Wait()
		c.Exec("SELECT txid_current(); SELECT pg_switch_wal()")
		s.waitArchived(c)
		time.Sleep(100 * time.Millisecond) // what it prints arrives
		archived := running.positions(t)
		var waits []time.Duration
		for _, sample := range samples {
			if k := slices.IndexFunc(archived, func(p archivedAt) bool { return p.at >= sample.at }); k >= 0 && sample.at > 0 {
				waits = append(waits, max(0, archived[k].when.Sub(sample.when)))
			}
		}
		slices.Sort(waits)
		if len(waits) < len(samples)/2 {
			t.Fatalf("%d of %d samples were archived", len(waits), len(samples))
		}
		p99 := waits[len(waits)*99/100]
		t.Logf("RPO under load, %d commits: median %v, 99th percentile %v, most %v", seen.number(), waits[len(waits)/2], p99, waits[len(waits)-1])
		if p99 > 5*time.Second && soaking() { // a loaded machine may take longer, and only then it is told
			t.Errorf("the 99th percentile is %v", p99)
		}
	})
}

func loadFor() time.Duration {
	if soaking() {
		return 3 * time.Minute
	}
	return 8 * time.Second
}

// archivedAt is how far the archive was, and when.
type archivedAt struct {
	at   postgres.LSN
	when time.Time
}

// positions reads what a receiver has told.
func (p *process) positions(t *testing.T) (all []archivedAt) {
	t.Helper()
	for _, line := range p.printed() {
		var m struct {
			Archived string    `json:"archived_lsn"`
			Time     time.Time `json:"time"`
		}
		if json.Unmarshal([]byte(line), &m) != nil || m.Archived == "" {
			continue
		}
		at, err := postgres.ParseLSN(m.Archived)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, archivedAt{at, m.Time})
	}
	return all
}
