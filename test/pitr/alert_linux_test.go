package pitr

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"holdfast/internal/postgres"
	"holdfast/test/pgcluster"
	"holdfast/test/program"
	"holdfast/test/service"
)

// inbox is somebody who is told.
type inbox struct {
	mu    sync.Mutex
	notes []note
}

// note is a message as a webhook gets it.
type note struct {
	Title    string
	Text     string
	Severity string
}

func (i *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var n note
	if json.NewDecoder(r.Body).Decode(&n) != nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.notes = append(i.notes, n)
}

// has tells whether there is a critical message with all of some words.
func (i *inbox) has(words ...string) bool { return i.count("critical", words...) > 0 }

// isOver tells whether a message says that something is over. It may go with others,
// which are more severe.
func (i *inbox) isOver(summary string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.ContainsFunc(i.notes, func(n note) bool { return strings.Contains(n.Title+"\n"+n.Text, "OK: "+summary) })
}

// count counts the messages of a severity with all of some words.
func (i *inbox) count(severity string, words ...string) (n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, note := range i.notes {
		found := note.Severity == severity
		for _, word := range words {
			found = found && strings.Contains(note.Title+note.Text, word)
		}
		if found {
			n++
		}
	}
	return n
}

// serve has a service do the work of a shop, which tells an inbox.
func (s *shop) serve() (*service.Host, *inbox) {
	s.t.Helper()
	mail := &inbox{}
	listener := httptest.NewServer(mail)
	s.t.Cleanup(listener.Close)
	s.write("hook", listener.URL)
	s.write("holdfast.yaml", read(s.t, s.config)+`notify:
  ops: { url: { file: hook }, min_severity: warning }
service:
  listen: 127.0.0.1:0
  notify: [ops]
  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: off }, log_prune: { schedule: off } }
`)
	holdfast := program.Holdfast(s.t).With("HOLDFAST_CONFIG="+s.config, "HOLDFAST_STATE_DIR="+filepath.Join(s.dir, "service"), s.path())
	return &service.Host{T: s.t, Dir: s.dir, Holdfast: holdfast}, mail
}

// A segment that is missing in the log is found by the service by itself, and
// people are told of it at once; so is a history file. A base backup ends it,
// and it is not told again though the segment stays lost.
func TestGapAlert(t *testing.T) {
	t.Parallel()
	bin := pgcluster.Versions(t)[17]
	c := pgcluster.New(t, bin)
	c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
	newTimeline(t, c)
	s := newShop(t, bin, c.DSN(), "stream")
	stop := s.background("wal", "receive", "--plan", "shop")
	s.run("plan", "run", "shop")
	o := &oracle{t: t, c: c}
	for range 4 {
		o.write(1)
		c.Exec("SELECT pg_switch_wal()")
	}
	s.waitArchived(c)
	stop()
	gone := s.whole(s.records(), 2)
	history, err := filepath.Glob(filepath.Join(s.dir, "repository", "holdfast", "log", "shop", "*", "00000002", "*", "*.history.*.record"))
	if err != nil || len(history) != 1 {
		t.Fatalf("the history of timeline 2 is %q, %v", history, err)
	}
	for _, file := range []string{gone.file, history[0]} {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	// A receiver would archive the history again at once.
	s.write("holdfast.yaml", strings.Replace(read(t, s.config), "wal: stream", "wal: push", 1))
	h, mail := s.serve()
	serving := h.Serve()
	h.Until("somebody is told of the gap", func() bool {
		// Slices of its beginning may be there still.
		return mail.has("the log of plan shop is missing from", "to "+postgres.LSN(gone.end).String())
	})
	h.Until("somebody is told of the history file", func() bool {
		return mail.has("timeline 2 has log, and its history file is missing")
	})

	s.write("holdfast.yaml", strings.Replace(read(t, s.config), "wal: push", "wal: stream", 1))
	h.Until("the log is received again", func() bool { return c.Query("SELECT count(*) FROM pg_stat_replication") == "1" })
	h.Holdfast.Run(t, "run", "start", "plans/shop/backup")
	h.Until("somebody is told that there is a backup after the gap", func() bool {
		return mail.isOver("plan shop has a backup after the gap in its log")
	})
	for range 4 {
		o.write(1)
		c.Exec("SELECT pg_switch_wal()")
	}
	s.waitArchived(c)
	serving.Kill()
	records := slices.DeleteFunc(s.records(), func(r archived) bool { return !strings.Contains(filepath.Base(r.file), ".segment.") })
	another := records[1] // the newest are first
	if err := os.Remove(another.file); err != nil {
		t.Fatal(err)
	}
	h.Serve()
	h.Until("somebody is told of another gap", func() bool {
		return mail.has("the log of plan shop is missing from", "to "+postgres.LSN(another.end).String())
	})
	if n := mail.count("critical", "to "+postgres.LSN(gone.end).String()); n != 1 {
		t.Errorf("the gap that is over is told %d times", n)
	}
}
