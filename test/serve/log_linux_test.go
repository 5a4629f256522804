package serve

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/test/pgcluster"
)

// The service takes the files of archive_command where the log comes that way,
// and a database that nobody writes to keeps its RPO however old its newest log
// is: the archive has all of it.
func TestLogOfDatabases(t *testing.T) {
	c := pgcluster.New(t, pgcluster.Versions(t)[15])
	c.Exec("CREATE TABLE orders AS SELECT n FROM generate_series(1, 1000) n")
	h := newHost(t)
	h.configure(`  streamed: { sources: [streamed], repository: local, schedule: { full: "0 0 1 1 *" }, objectives: { rpo: 8s } }
  pushed: { sources: [pushed], repository: local, schedule: { full: "0 0 1 1 *" } }`, `  survey: 2s
`+noUpkeep)
	h.insert("sources:\n", fmt.Sprintf("  streamed: { postgres: { dsn: %q, wal: stream } }\n  pushed: { postgres: { dsn: %q, wal: push } }\n", c.DSN(), c.DSN()))
	h.init()
	h.Holdfast.Run(t, "wal", "init", "--plan", "streamed")
	s := h.serve()
	s.Logged("service-started")
	h.Holdfast.Run(t, "run", "start", "plans/streamed/backup")
	s.Logged("full backup of plan streamed succeeded")

	segment := c.Query("SELECT pg_walfile_name(pg_switch_wal())")
	file := filepath.Join(c.Data, "pg_wal", segment)
	h.Until("archive_command hands over to the service", func() bool {
		pushed := h.Holdfast.Exits(t, 0, "wal", "push", "-v", "--plan", "pushed", file)
		return !strings.Contains(pushed.Output(), "hand over")
	})

	receiver := h.receiver()
	if err := syscall.Kill(receiver, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.Until("the log is received again", func() bool { now := h.receiver(); return now != 0 && now != receiver })

	c.Exec("INSERT INTO orders VALUES (0)")
	written := time.Now()
	h.Until("nothing was written for a while", func() bool { return time.Since(written) > 15*time.Second })
	h.Until("the RPO of an idle database is kept", func() bool {
		// Copies are missing, too, so that it exits with 1.
		return strings.Contains(h.Holdfast.Exits(t, 1, "status", "streamed", "--json").Stdout, `"rpo":{"state":"met"`)
	})
}

// receiver returns the process that receives the log of the plan streamed, 0 for
// none.
func (h *host) receiver() int {
	h.T.Helper()
	if pids := h.ofRuns("receive\x00--once\x00--plan\x00streamed\x00"); len(pids) > 0 {
		return pids[0]
	}
	return 0
}
