package cli

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"holdfast/internal/app"
	"holdfast/internal/hold"
	"holdfast/internal/restserver"
	"holdfast/repository"
	"holdfast/storage/local"
)

// A hold is placed without a lock. One that comes when the plan is made already
// and nothing is deleted yet, under one and the same lock, is heeded.
func TestHoldPlacedInTheMidst(t *testing.T) {
	for name, test := range map[string]struct {
		// before is done first, line meanwhile; the hold comes with its first
		// request of this method for such a path.
		before       [][]string
		line         []string
		method, path string
		// place is the repository that is held, and loses nothing.
		place string
		code  int
		tells string
	}{
		"forget": {
			line:   []string{"forget", "--keep-last", "1"},
			method: http.MethodGet, path: "/repo/holdfast/evidence/",
			place: "repo", code: exitOK, tells: "removed 0 snapshots",
		},
		"forget by name": {
			line:   []string{"forget", "latest~2"},
			method: http.MethodGet, path: "/repo/holdfast/evidence/",
			place: "repo", code: exitFailed, tells: "is held",
		},
		"forget and prune": {
			line:   []string{"forget", "--keep-last", "1", "--prune", "--max-unused", "0"},
			method: http.MethodPost, path: "/repo/index/",
			place: "repo", code: exitFailed, tells: "nothing is pruned",
		},
		"prune": {
			before: [][]string{{"forget", "--keep-last", "1"}},
			line:   []string{"prune", "--max-unused", "0"},
			method: http.MethodPost, path: "/repo/index/",
			place: "repo", code: exitFailed, tells: "nothing is pruned",
		},
		"tag": {
			line:   []string{"tag", "--add", "x"},
			method: http.MethodGet, path: "/repo/snapshots/",
			place: "repo", code: exitFailed, tells: "is held",
		},
		"rewrite": {
			line:   []string{"rewrite", "--exclude", "old", "--forget"},
			method: http.MethodPost, path: "/repo/index/",
			place: "repo", code: exitFailed, tells: "is held",
		},
		"mirror": {
			before: [][]string{
				{"copy", "--mirror", "--init", "--to", "mirror"},
				{"forget", "latest~2"},
				{"prune", "--max-unused", "0"},
			},
			line:   []string{"copy", "--mirror", "--delete", "--to", "mirror"},
			method: http.MethodPost, path: "/mirror/index/",
			place: "mirror", code: exitFailed, tells: "nothing is deleted now",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShell(t)
			s.backups()
			p := newMidst(s, test.place)
			t.Setenv("HOLDFAST_REPOSITORY", p.url("repo"))
			for _, line := range test.before {
				s.run(exitOK, p.urls(line)...)
			}
			p.method, p.path = test.method, test.path
			p.armed.Store(true)
			s.wants(s.run(test.code, p.urls(test.line)...), test.tells)
			if p.armed.Load() {
				t.Fatal("no hold was placed")
			}
			for _, file := range p.there {
				if _, err := os.Stat(file); err != nil {
					t.Errorf("it is gone, although it was held: %v", err)
				}
			}
		})
	}
}

// Each time that holds are asked for costs a request: what is short asks before
// it removes snapshots, and again before it removes what these alone needed.
func TestHoldsAreAskedForTwice(t *testing.T) {
	s := newShell(t)
	s.backups()
	p := newMidst(s, "repo")
	t.Setenv("HOLDFAST_REPOSITORY", p.url("repo"))
	p.asked.Store(0)
	s.wants(s.run(exitOK, "forget", "--keep-last", "1", "--prune", "--max-unused", "0"), "removed 2 snapshots", "done in")
	if n := p.asked.Load(); n != 2 {
		t.Errorf("holds were asked for %d times", n)
	}
}

// midst serves repositories, and places a hold when some request arrives.
type midst struct {
	s            *shell
	server       *httptest.Server
	place        string
	method, path string
	armed        atomic.Bool
	asked        atomic.Int32 // how often for holds
	there        []string     // snapshots, index files and packs, when the hold was placed
}

func newMidst(s *shell, place string) *midst {
	s.t.Helper()
	served, err := restserver.New(s.t.Context(), restserver.Config{
		Path: s.dir, NoAuth: true, Open: app.LocalStores(false), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	p := &midst{s: s, place: place}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == p.method && strings.HasPrefix(r.URL.Path, p.path) && p.armed.CompareAndSwap(true, false) {
			if err := p.hold(); err != nil {
				s.t.Error(err)
			}
		}
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/holdfast/holds/") {
			p.asked.Add(1)
		}
		served.ServeHTTP(w, r)
	}))
	s.t.Cleanup(func() {
		p.server.Close()
		served.Close()
	})
	return p
}

func (p *midst) url(name string) string { return "rest:" + p.server.URL + "/" + name + "/" }

// urls puts the address of the mirror in the place of its name.
func (p *midst) urls(line []string) []string {
	line = append([]string(nil), line...)
	for n, word := range line {
		if word == "mirror" {
			line[n] = p.url(word)
		}
	}
	return line
}

// hold holds everything, as a service does that saw an anomaly.
func (p *midst) hold() error {
	store, err := local.Open(p.s.path(p.place))
	if err != nil {
		return err
	}
	r, err := repository.Open(p.s.t.Context(), store, repository.Options{Password: []byte(os.Getenv("HOLDFAST_PASSWORD"))})
	if err != nil {
		return err
	}
	_, err = hold.Place(p.s.t.Context(), r, hold.Hold{By: hold.Person, Reason: "look at this first"})
	for _, kind := range []string{"data/*", "index", "snapshots"} {
		files, globErr := filepath.Glob(filepath.Join(p.s.path(p.place), kind, "*"))
		err = errors.Join(err, globErr)
		p.there = append(p.there, files...)
	}
	return errors.Join(err, r.Close())
}
