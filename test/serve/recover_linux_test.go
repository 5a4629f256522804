package serve

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/api"
	"holdfast/test/pgcluster"
)

// A database is restored to a time, and to the end of one backup, by the
// service: into a folder that a server can begin with, which nobody starts.
func TestADatabaseIsRestoredThroughTheAPI(t *testing.T) {
	cluster := pgcluster.New(t, pgcluster.Versions(t)[15], "wal_level = replica", "max_wal_senders = 10")
	cluster.Exec("CREATE TABLE orders AS SELECT n FROM generate_series(1, 1000) n")
	h := newHost(t)
	h.Write("holdfast.yaml", fmt.Sprintf(`repositories:
  local: { url: %[1]s/local, password: { file: %[1]s/password } }
sources:
  db: { postgres: { dsn: "%[2]s", wal: stream } }
plans:
  shop: { sources: [db], repository: local, schedule: { full: "0 0 1 1 *" } }
service:
  listen: 127.0.0.1:0
  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: off }, log_prune: { schedule: off } }
`, h.Dir, cluster.DSN()))
	h.Holdfast.Run(t, "init", "-q", "-r", "local")
	h.Holdfast.Run(t, "wal", "init", "-r", "local")
	c := h.serve().api()
	c.post("/jobs/start", map[string]string{"job": "plans/shop/backup"})
	h.Until("it is backed up", func() bool { return len(seen[api.RunPage](c, "/runs?job=backup&outcome=succeeded").Runs) == 1 })
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
	snapshot := seen[api.SnapshotPage](c, "/repositories/local/snapshots").Snapshots[0].ID
	plan = asked[api.RestorePlan](c, http.MethodPost, "/plan-restore", api.RestoreRequest{Repository: "local", Snapshot: snapshot})
	h.restoreDatabase(c, plan, "--to-backup-end")
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
