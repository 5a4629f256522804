package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/api"
	"holdfast/test/pgcluster"
)

// A database is restored to a time, and to the end of one backup, by the
// service: into a folder that a server can begin with, which nobody starts. What
// one repository lost comes from the copy, and that log may be lost is told.
func TestADatabaseIsRestoredThroughTheAPI(t *testing.T) {
	cluster := pgcluster.New(t, pgcluster.Versions(t)[15], "wal_level = replica", "max_wal_senders = 10")
	cluster.Exec("CREATE TABLE orders AS SELECT n FROM generate_series(1, 1000) n")
	h := newHost(t)
	h.Write("holdfast.yaml", fmt.Sprintf(`repositories:
  local: { url: %[1]s/local, password: { file: %[1]s/password } }
  nas: { url: %[1]s/nas, password: { file: %[1]s/password } }
sources:
  db: { postgres: { dsn: "%[2]s", wal: stream } }
plans:
  shop: { sources: [db], repository: local, copies: [nas], schedule: { full: "0 0 1 1 *" } }
service:
  listen: 127.0.0.1:0
  survey: 2s
  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: off }, log_prune: { schedule: off } }
`, h.Dir, cluster.DSN()))
	h.Holdfast.Run(t, "init", "-q", "-r", "local")
	h.Holdfast.Run(t, "init", "-q", "-r", "nas", "--like", "local")
	h.Holdfast.Run(t, "wal", "init", "-r", "local")
	h.Holdfast.Run(t, "wal", "init", "-r", "nas")
	c := h.serve().api()
	c.post("/jobs/start", map[string]string{"job": "plans/shop/backup"})
	h.Until("it is backed up", func() bool { return len(seen[api.RunPage](c, "/runs?job=backup&outcome=succeeded").Runs) == 1 })
	h.Until("it is copied", func() bool { return len(seen[api.RunPage](c, "/runs?job=copy&outcome=succeeded").Runs) == 1 })
	at := time.Now()
	cluster.Exec("INSERT INTO orders VALUES (1001)")
	var plan api.RestorePlan
	q := api.RestoreRequest{Plan: "shop", Time: at}
	h.Until("the log leads to that time", func() bool {
		cluster.Exec("INSERT INTO orders VALUES (1002); SELECT pg_switch_wal()")
		status, answer := c.try(http.MethodPost, "/plan-restore", q)
		if status != 200 && status != http.StatusConflict {
			t.Fatalf("%d %s", status, answer)
		}
		return status == 200
	})
	plan = asked[api.RestorePlan](c, http.MethodPost, "/plan-restore", q)
	h.restoreDatabase(c, plan, "--to-time")
	var page api.SnapshotPage
	h.Until("the snapshots are listed", func() bool { // opening takes long on a busy machine
		status, answer := c.try(http.MethodGet, "/repositories/local/snapshots", nil)
		return status == 200 && json.Unmarshal([]byte(answer), &page) == nil
	})
	snapshot := page.Snapshots[0].ID
	plan = asked[api.RestorePlan](c, http.MethodPost, "/plan-restore", api.RestoreRequest{Repository: "local", Snapshot: snapshot})
	h.restoreDatabase(c, plan, "--to-backup-end")

	cluster.Stop()
	for _, name := range []string{"local", "nas"} {
		h.Until("it is known that the log in "+name+" leads there", func() bool {
			log := logIn(seen[api.Plan](c, "/plans/shop"), name)
			return log != nil && log.Covers(at) && log.Unproven == ""
		})
	}
	h.inLog("local", ".mark", func(path string) error { return os.WriteFile(path, []byte("nonsense"), 0o600) })
	h.Until("it is told that nobody can say where the log ends", func() bool {
		p := seen[api.Plan](c, "/plans/shop")
		log := logIn(p, "local")
		return log != nil && log.Unproven != "" && slices.ContainsFunc(p.Missing, func(m api.Missing) bool { return m.Rule == "log" && m.Next != "" })
	})
	if got := asked[api.RestorePlan](c, http.MethodPost, "/plan-restore", q).Request.Repository; got != "local" {
		t.Errorf("while both have it, %s is read", got)
	}
	h.inLog("local", "", os.Remove)
	h.Until("the other copy is read", func() bool {
		status, answer := c.try(http.MethodPost, "/plan-restore", q)
		plan = api.RestorePlan{}
		return status == 200 && json.Unmarshal([]byte(answer), &plan) == nil && plan.Request.Repository == "nas"
	})
	h.restoreDatabase(c, plan, "--to-time")
}

// logIn is what a repository has of the log of the plan's only source.
func logIn(p api.Plan, repository string) *api.SourceLog {
	for k := range p.Sources[0].Logs {
		if log := &p.Sources[0].Logs[k]; log.Repository == repository {
			return log
		}
	}
	return nil
}

// inLog does something to the files of the log in a repository whose names end
// in some way; there must be some.
func (h *host) inLog(repository, suffix string, do func(path string) error) {
	h.T.Helper()
	done := 0
	err := filepath.WalkDir(h.Path(repository+"/holdfast/log"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, suffix) {
			return err
		}
		done++
		return errors.Join(os.Chmod(path, 0o600), do(path))
	})
	if err != nil || done == 0 {
		h.T.Fatalf("%d files of the log in %s: %v", done, repository, err)
	}
}

// restoreDatabase does what a plan says.
func (h *host) restoreDatabase(c *caller, plan api.RestorePlan, how string) {
	h.T.Helper()
	if plan.Refused != "" || plan.Bytes == 0 || !strings.Contains(strings.Join(plan.Command, " "), how) {
		h.T.Fatalf("the plan is %+v", plan)
	}
	q := plan.Request
	q.Confirm = plan.Confirm
	id := c.begin("/restore", q)
	if r := c.ended(h, id); r.Outcome != "succeeded" || r.Plan != "shop" || r.Source != "db" {
		_, log := c.try(http.MethodGet, "/runs/"+id+"/log", nil)
		h.T.Fatalf("it ended as %+v\n%s", r, log)
	}
	for _, file := range []string{"PG_VERSION", "recovery.signal"} {
		if _, err := readFile(filepath.Join(plan.Target, file)); err != nil {
			h.T.Error(err)
		}
	}
	if _, err := readFile(filepath.Join(plan.Target, "postmaster.pid")); err == nil {
		h.T.Error("a server was started")
	}
}
