package proof

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"holdfast/internal/event"
	"holdfast/test/pgcluster"
	"holdfast/test/program"
	"holdfast/test/service"
)

// quietNights is how many backups there are before anything is unlike them.
const quietNights = 7

// What becomes of files, dumps and base backups at once, be it by an attacker,
// is told after the next backup: nothing old is removed until somebody looked.
func TestAnomaliesAreTold(t *testing.T) {
	t.Parallel()
	c := pgcluster.New(t, pgcluster.Versions(t)[15])
	c.Exec("CREATE TABLE items AS SELECT n, repeat('x', 100) AS filler FROM generate_series(1, 100000) n")
	h := service.NewHost(t)
	p := newPhone(h)
	page := strings.Repeat("a page of a letter\n", 4000)
	for n := range 20 {
		h.Write(fmt.Sprintf("www/%d", n), page+fmt.Sprint(n))
	}
	plans := []string{"files", "dumped", "based"}
	var places strings.Builder
	for _, name := range plans {
		fmt.Fprintf(&places, "  %s: { url: %s, password: { file: %s } }\n", name, h.Path(name), h.Path("password"))
	}
	h.Write("holdfast.yaml", fmt.Sprintf(`repositories:
%[2]ssources:
  www: { files: { paths: [%[1]s/www] } }
  dump: { postgres: { dsn: %[3]q, method: dump } }
  base: { postgres: { dsn: %[3]q, wal: none } }
plans:
  files: { sources: [www], repository: files, schedule: { full: "0 0 1 1 *", incremental: "@every 2s" } }
  dumped: { sources: [dump], repository: dumped, schedule: { full: "@every 2s" } }
  based: { sources: [base], repository: based, schedule: { full: "@every 2s" } }
notify: { phone: { url: { file: %[1]s/phone } } }
service:
  notify: [phone]
  survey: 2s
  concurrency: { host: 4, repository: 4 }
  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: off } }
`, h.Dir, places.String(), c.DSN()))
	for _, name := range plans {
		h.Holdfast.Run(t, "init", "-q", "-r", name)
	}
	h.Serve().Logged("service-started")
	for _, name := range plans {
		h.Until("the backups of "+name+" are known", func() bool { return len(ended(h, "--plan", name, "--job", "backup")) >= quietNights })
	}
	encrypt := func() {
		for n := range 20 {
			noise := make([]byte, 100_000)
			rand.NewChaCha8([32]byte{byte(n)}).Read(noise) //nolint:errcheck // it never fails
			h.Write(fmt.Sprintf("encrypted/%d", n), string(noise))
		}
		// All at once: no backup sees a part of it.
		if err := unix.Renameat2(unix.AT_FDCWD, h.Path("encrypted"), unix.AT_FDCWD, h.Path("www"), unix.RENAME_EXCHANGE); err != nil {
			t.Fatal(err)
		}
	}
	released := func(plan string) func() {
		return func() {
			held := program.JSON[struct{ ID string }](t, h.Holdfast, "hold", "list", "-r", plan)
			if len(held) != 1 {
				t.Fatalf("%s: held by %+v", plan, held)
			}
			before := len(program.JSON[struct{ ID string }](t, h.Holdfast, "snapshots", "-r", plan))
			h.Holdfast.Run(t, "forget", "-r", plan, "--keep-last", "1", "--retry-lock", "1m")
			if now := len(program.JSON[struct{ ID string }](t, h.Holdfast, "snapshots", "-r", plan)); now < before {
				t.Errorf("%s: %d snapshots are left of %d: none is to be removed", plan, now, before)
			}
			// Something is unused only while a backup goes on: prune may have nothing to
			// do. The refusal itself is in anomaly.txt; here no pack may go.
			packs, err := filepath.Glob(h.Path(plan + "/data/??/*"))
			if err != nil || len(packs) == 0 {
				t.Fatalf("%s: %d packs, %v", plan, len(packs), err)
			}
			r := h.Holdfast.Try("prune", "-r", plan, "--max-unused", "0", "--retry-lock", "1m")
			if refused := r.Code == 1 && strings.Contains(r.Stderr, "nothing is pruned"); !refused && (r.Code != 0 || !strings.Contains(r.Output(), "nothing to do")) {
				t.Errorf("%s is pruned: %s", plan, r.Output())
			}
			for _, pack := range packs {
				if _, err := os.Stat(pack); err != nil && !strings.HasPrefix(filepath.Base(pack), ".") {
					t.Errorf("%s: a pack went: %v", plan, err)
				}
			}
			h.Holdfast.Run(t, "hold", "release", "-r", plan, "--reason", "an exercise", held[0].ID)
		}
	}
	caughtAndMended(h, p, []harm{
		{"encrypted files", "files", "", event.Anomaly, []string{"bytes replaced: 100 %", "new bytes stay after compression: 100 %"}, encrypt, released("files")},
		{"emptied table in dumps", "dumped", "", event.Anomaly, []string{"rows gone: 100 %", "bytes gone:"}, func() { c.Exec("TRUNCATE items") }, released("dumped")},
		{"emptied table in base backups", "based", "", event.Anomaly, []string{"rows gone: 100 %", "bytes gone:"}, func() {}, released("based")},
	})
	for _, plan := range plans {
		if began, _ := p.of(event.Anomaly, plan, ""); len(began) > 0 && began[0].Details["last good snapshot"] == "" {
			t.Errorf("%s: the last good snapshot is not named: %+v", plan, began[0])
		}
	}
}
