package proof

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/event"
	"holdfast/repository"
	"holdfast/storage/local"
	"holdfast/test/pgcluster"
	"holdfast/test/program"
	"holdfast/test/service"
)

// phone is where people are told: a webhook, and what waits for calls.
type phone struct {
	mu    sync.Mutex
	told  []event.Event
	calls []string
}

// newPhone returns one, whose URL is in a file of the host; those below it that
// are to be called are in beat and ping.
func newPhone(h *service.Host) *phone {
	p := &phone{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.calls = append(p.calls, r.URL.Path)
			return
		}
		var note struct{ Events []event.Event }
		if err := json.NewDecoder(r.Body).Decode(&note); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.told = append(p.told, note.Events...)
	}))
	h.T.Cleanup(server.Close)
	h.Write("phone", server.URL)
	h.Write("beat", server.URL+"/beat")
	h.Write("ping", server.URL+"/ping")
	return p
}

func (p *phone) called(path string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.calls, path)
}

// of returns what was told of one problem.
func (p *phone) of(kind event.Kind, plan, repository string) (began, ended []event.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.told {
		switch {
		case e.Plan != plan || e.Repository != repository:
		case e.Over && strings.HasPrefix(string(e.Kind), kindOf(kind)):
			ended = append(ended, e)
		case e.Kind == kind:
			began = append(began, e)
		}
	}
	return began, ended
}

// kindOf is what the kinds of the beginning and of the end have in common.
func kindOf(kind event.Kind) string {
	before, _ := strings.CutSuffix(string(kind), "-failed")
	return before
}

// harm is one sabotage, and how it is mended.
type harm struct {
	name string
	// plan and repository are what people are told of, in these words.
	plan, repository string
	kind             event.Kind
	says             []string
	do, mend         func()
}

// caughtAndMended does all harm at once, waits until people are told of each,
// once, mends it, and waits until they are told that it is over.
func caughtAndMended(h *service.Host, p *phone, all []harm) {
	h.T.Helper()
	for _, one := range all {
		one.do()
	}
	for _, one := range all {
		h.Until("people are told of the "+one.name, func() bool {
			began, _ := p.of(one.kind, one.plan, one.repository)
			return len(began) > 0
		})
		began, ended := p.of(one.kind, one.plan, one.repository)
		for _, text := range one.says {
			if !strings.Contains(began[0].Summary, text) {
				h.T.Errorf("%s: they are told %q, want %q in it", one.name, began[0].Summary, text)
			}
		}
		if len(ended) > 0 {
			h.T.Errorf("%s: they are told that it is over: %+v", one.name, ended)
		}
	}
	for _, one := range all {
		one.mend()
	}
	for _, one := range all {
		h.Until("people are told that it is over with the "+one.name, func() bool {
			_, ended := p.of(one.kind, one.plan, one.repository)
			return len(ended) > 0
		})
		if began, _ := p.of(one.kind, one.plan, one.repository); len(began) != 1 {
			h.T.Errorf("%s: they are told %d times: %+v", one.name, len(began), began)
		}
	}
}

// Every way in which a backup goes bad is found out by the restore tests that
// the service makes by itself, and people are told; they are told, too, when it
// is mended.
func TestScheduledProofs(t *testing.T) {
	t.Parallel()
	c := pgcluster.New(t, pgcluster.Versions(t)[15])
	for _, table := range []string{"orders", "items"} {
		c.Exec("CREATE TABLE " + table + " AS SELECT n FROM generate_series(1, 1000) n")
	}
	h := service.NewHost(t)
	p := newPhone(h)
	noise := make([]byte, 2<<20)
	rand.NewChaCha8([32]byte{1}).Read(noise) //nolint:errcheck // it never fails
	h.Write("www/noise", string(noise))
	h.Write("letters/ann", "dear Ann")
	h.Write("password-keyless", "secret")
	repositories := []string{"local", "rotten", "lost", "keyless", "dumps", "base"}
	var places strings.Builder
	for _, name := range repositories {
		password := "password"
		if name == "keyless" {
			password = "password-keyless"
		}
		fmt.Fprintf(&places, "  %s: { url: %s, password: { file: %s } }\n", name, h.Path(name), h.Path(password))
	}
	h.Write("holdfast.yaml", fmt.Sprintf(`repositories:
%[2]ssources:
  www: { files: { paths: [%[1]s/www] } }
  letters: { files: { paths: [%[1]s/letters] } }
  dump: { postgres: { dsn: %[3]q, method: dump } }
  base: { postgres: { dsn: %[3]q, wal: stream } }
plans:
  rotten: { sources: [www], repository: rotten, schedule: { full: "0 0 1 1 *" }, restore_test: { schedule: "@every 8s" } }
  lost: { sources: [www], repository: local, copies: [lost], schedule: { full: "0 0 1 1 *" }, restore_test: { schedule: "@every 8s", from: [lost] } }
  keyless: { sources: [www], repository: local, copies: [keyless], schedule: { full: "0 0 1 1 *" }, restore_test: { schedule: "@every 8s", from: [keyless] } }
  letters:
    sources: [letters]
    repository: local
    schedule: { full: "0 0 1 1 *", incremental: "@every 6s" }
    restore_test: { schedule: "@every 8s", checks: [{ canary: %[1]s/letters/ann, sha256: %[4]x }] }
  dumped:
    sources: [dump]
    repository: dumps
    schedule: { full: "0 0 1 1 *" }
    restore_test: { schedule: "@every 8s", checks: [{ name: orders there, sql: "SELECT count(*) FROM orders", expect: "> 0" }] }
  emptied:
    sources: [dump]
    repository: local
    schedule: { full: "@every 12s" }
    restore_test: { schedule: "@every 8s", checks: [{ name: items there, sql: "SELECT count(*) FROM items", expect: "> 0" }] }
  logged:
    sources: [base]
    repository: base
    schedule: { full: "0 0 1 1 *" }
    wal: { every: 0s }
    restore_test: { schedule: "@every 8s", checks: [{ name: orders there, sql: "SELECT count(*) FROM orders", expect: "> 0" }] }
notify: { phone: { url: { file: %[1]s/phone } } }
service:
  notify: [phone]
  concurrency: { host: 4, repository: 4 }
  upkeep: { retention: { schedule: off }, prune: { schedule: off }, log_prune: { schedule: off }, check: { schedule: "0 0 1 1 *" } }
`, h.Dir, places.String(), c.DSN(), sha256.Sum256([]byte("dear Ann"))))
	for _, name := range repositories {
		h.Holdfast.Run(t, "init", "-q", "-r", name)
	}
	h.Holdfast.Run(t, "wal", "init", "--plan", "logged")
	s := h.Serve()
	s.Logged("service-started")
	plans := []string{"rotten", "lost", "keyless", "letters", "dumped", "emptied", "logged"}
	for _, plan := range plans {
		h.Holdfast.Run(t, "run", "start", "plans/"+plan+"/backup", "--type", "full")
	}
	h.Until("all is backed up and copied", func() bool {
		return len(ended(h, "--job", "backup")) >= len(plans) && len(ended(h, "--job", "copy")) >= 2
	})

	of := &plan{t: t, dir: h.Dir}
	var pack, segment saved
	caughtAndMended(h, p, []harm{
		{
			"corrupt pack", "rotten", "rotten", event.RestoreTestFailed,
			[]string{"www of plan rotten does NOT come back from rotten", "noise"},
			func() { pack = save(t, of.largest("rotten")); pack.damage(t) },
			func() { pack.put(t) },
		},
		{
			"damage that a check finds", "", "rotten", event.Damage,
			[]string{"repository rotten is damaged"},
			func() { h.Holdfast.Run(t, "run", "start", "repositories/rotten/check") },
			func() { h.Holdfast.Run(t, "run", "start", "repositories/rotten/check") },
		},
		{
			"lost copy", "lost", "lost", event.RestoreTestFailed,
			[]string{"no repository", "it comes back from local"},
			func() { rename(t, h.Path("lost"), h.Path("away")) },
			func() { rename(t, h.Path("away"), h.Path("lost")) },
		},
		{
			"wrong key", "keyless", "keyless", event.RestoreTestFailed,
			[]string{"wrong password", "it comes back from local"},
			func() { h.Write("password-keyless", "another") },
			func() { h.Write("password-keyless", "secret") },
		},
		{
			"emptied file", "letters", "local", event.RestoreTestFailed,
			[]string{"letters/ann: content with SHA-256 e3b0c442"},
			func() { h.Write("letters/ann", "") },
			func() { h.Write("letters/ann", "dear Ann") },
		},
		{
			"truncated dump", "dumped", "dumps", event.RestoreTestFailed, nil,
			func() { of.cutDump("dumps", ".dump") },
			func() {
				cut := newestSnapshot(h, "dumps")
				h.Holdfast.Run(t, "run", "start", "plans/dumped/backup")
				tested := len(ended(h, "--plan", "dumped", "--job", "restore-test"))
				h.Until("a later dump came back", func() bool { return len(ended(h, "--plan", "dumped", "--job", "restore-test")) > tested })
				if _, over := p.of(event.RestoreTestFailed, "dumped", "dumps"); len(over) > 0 {
					t.Errorf("a later dump comes back, and they are told that it is over with the one that is cut: %+v", over)
				}
				h.Holdfast.Run(t, "forget", "-r", "dumps", cut)
			},
		},
		{
			"emptied table", "emptied", "local", event.RestoreTestFailed,
			[]string{"items there: 0, want > 0"},
			func() { c.Exec("DELETE FROM items") },
			func() { c.Exec("INSERT INTO items VALUES (1)") },
		},
		{
			"missing segment", "logged", "base", event.RestoreTestFailed,
			[]string{"log archive: the log from", "is missing"},
			func() { segment = loseSegment(h, of, c) },
			func() { segment.put(t) },
		},
	})
}

// A snapshot that does not come back is told of until it does, whatever newer
// ones do; it is tested again without anybody asking for it.
func TestAnotherPointEndsNothing(t *testing.T) {
	t.Parallel()
	h := service.NewHost(t)
	p := newPhone(h)
	noise := make([]byte, 2<<20)
	rand.NewChaCha8([32]byte{1}).Read(noise) //nolint:errcheck // it never fails
	h.Write("www/noise", string(noise))
	h.Write("holdfast.yaml", fmt.Sprintf(`repositories: { local: { url: %[1]s/local, password: { file: %[1]s/password } } }
sources: { www: { files: { paths: [%[1]s/www] } } }
plans:
  www: { sources: [www], repository: local, schedule: { full: "0 0 1 1 *" }, restore_test: { schedule: "@every 2s" } }
notify: { phone: { url: { file: %[1]s/phone } } }
service:
  notify: [phone]
  survey: 2s
  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: off } }
`, h.Dir))
	h.Holdfast.Run(t, "init", "-q", "-r", "local")
	h.Serve().Logged("service-started")
	h.Holdfast.Run(t, "run", "start", "plans/www/backup")
	good := func() int { return len(ended(h, "--job", "restore-test")) }
	h.Until("it came back", func() bool { return good() > 0 })
	of := &plan{t: t, dir: h.Dir}
	pack := save(t, of.largest("local"))
	caughtAndMended(h, p, []harm{{
		"damaged snapshot", "www", "local", event.RestoreTestFailed,
		[]string{"noise"},
		func() { pack.damage(t) },
		func() {
			if err := os.Remove(h.Path("www/noise")); err != nil {
				t.Fatal(err)
			}
			h.Write("www/letter", "dear Ann")
			before := good()
			h.Holdfast.Run(t, "run", "start", "plans/www/backup")
			h.Until("newer snapshots came back", func() bool { return good() >= before+2 })
			if _, over := p.of(event.RestoreTestFailed, "www", "local"); len(over) > 0 {
				t.Errorf("people are told that it is over: %+v", over)
			}
			pack.put(t)
		},
	}})
}

// newestSnapshot returns the ID of one.
func newestSnapshot(h *service.Host, repository string) string {
	h.T.Helper()
	return program.JSON[struct{ ID string }](h.T, h.Holdfast, "snapshots", "-r", repository, "latest")[0].ID
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// ended returns the good runs of the history that flags of `run list` mean.
func ended(h *service.Host, flags ...string) []struct{ ID string } {
	if h.Holdfast.Try("run", "list").Code != 0 { // nothing has begun yet
		return nil
	}
	return program.JSON[struct{ ID string }](h.T, h.Holdfast, append([]string{"run", "list", "-n", "0", "--outcome", "succeeded"}, flags...)...)
}

// loseSegment takes a segment of the archived log away, and keeps it. Log is
// archived whoever has the repository for himself.
func loseSegment(h *service.Host, p *plan, c *pgcluster.Cluster) saved {
	h.T.Helper()
	unlock := lockAll(p.t, h.Path("base"))
	defer unlock() //nolint:errcheck // what waits for it would tell
	for range 4 {
		c.Exec("INSERT INTO orders VALUES (0); SELECT pg_switch_wal()")
		p.waitArchived(c) // one after the other: each record then says that those before it are there
	}
	segments, err := filepath.Glob(filepath.Join(h.Dir, "base", "holdfast", "log", "base", "*", "*", "*", "*.record"))
	if err != nil || len(segments) < 5 {
		h.T.Fatalf("%q, %v", segments, err)
	}
	slices.Sort(segments)
	lost := save(h.T, segments[len(segments)-2])
	if err := os.Remove(lost.path); err != nil {
		h.T.Fatal(err)
	}
	return lost
}

// A copy that lags behind fails no run where it waits for a lock for ever: people
// are told of its age.
func TestAStaleCopyIsTold(t *testing.T) {
	t.Parallel()
	h := service.NewHost(t)
	p := newPhone(h)
	h.Write("www/letter", "dear Ann")
	h.Write("holdfast.yaml", fmt.Sprintf(`repositories:
  local: { url: %[1]s/local, password: { file: %[1]s/password } }
  far: { url: %[1]s/far, password: { file: %[1]s/password } }
sources: { www: { files: { paths: [%[1]s/www] } } }
plans:
  www: { sources: [www], repository: local, copies: [far], schedule: { full: "@every 4s" }, objectives: { rpo: 15s }, ping: { url: { file: %[1]s/ping } } }
notify: { phone: { url: { file: %[1]s/phone } } }
service:
  notify: [phone]
  ping: { url: { file: %[1]s/beat } }
  survey: 2s
  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: off } }
`, h.Dir))
	h.Holdfast.Run(t, "init", "-q", "-r", "local")
	h.Holdfast.Run(t, "init", "-q", "-r", "far")
	h.Serve().Logged("service-started")
	h.Until("there is a copy", func() bool { return len(ended(h, "--job", "copy")) > 0 })
	var unlock func() error
	caughtAndMended(h, p, []harm{{
		"copy that lags behind", "www", "far", event.CopyStale,
		[]string{"copy far of plan www lags behind: its newest recovery point is of"},
		func() { unlock = lockAll(t, h.Path("far")) },
		func() {
			if err := unlock(); err != nil {
				t.Fatal(err)
			}
		},
	}})
	if failed := program.JSON[struct{}](t, h.Holdfast, "run", "list", "--outcome", "failed"); len(failed) > 0 {
		t.Errorf("%d runs failed", len(failed))
	}
	for _, path := range []string{"/beat", "/ping/start", "/ping"} {
		if !p.called(path) {
			t.Errorf("%s was never called", path)
		}
	}
}

// lockAll takes a repository for itself, as another program does.
func lockAll(t *testing.T, path string) (unlock func() error) {
	t.Helper()
	store, err := local.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := repository.Open(t.Context(), store, repository.Options{Password: []byte("secret")})
	if err != nil {
		t.Fatal(err)
	}
	lock, _, err := r.Lock(t.Context(), repository.Exclusive, repository.LockOptions{Retry: service.Patience})
	if err != nil {
		t.Fatal(err)
	}
	return func() error { return errors.Join(lock.Unlock(), r.Close()) }
}

// A service that cron starts tells people before it ends: it may not come back
// before tomorrow.
func TestOnceTells(t *testing.T) {
	t.Parallel()
	h := service.NewHost(t)
	p := newPhone(h)
	h.Write("holdfast.yaml", fmt.Sprintf(`repositories: { local: { url: %[1]s/local, password: { file: %[1]s/password } } }
sources: { www: { files: { paths: [%[1]s/gone] } } }
plans:
  www: { sources: [www], repository: local, schedule: { full: "@every 1s" }, limits: { retries: { attempts: 1 } }, ping: { url: { file: %[1]s/ping } } }
notify: { phone: { url: { file: %[1]s/phone } } }
service:
  notify: [phone]
  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: off } }
`, h.Dir))
	h.Holdfast.Run(t, "init", "-q", "-r", "local")
	h.Holdfast.Run(t, "serve", "--once") // nothing was due before it was seen
	time.Sleep(1100 * time.Millisecond)
	h.Holdfast.Run(t, "serve", "--once")
	if began, _ := p.of(event.RunFailed, "www", "local"); len(began) != 1 || !p.called("/ping/fail") {
		t.Errorf("told %+v, called %q", began, p.calls)
	}
}
