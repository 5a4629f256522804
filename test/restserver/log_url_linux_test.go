package restserver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/test/program"
	"holdfast/test/servers"
)

// restic's own server holds nothing of holdfast's own. A plan that needs more
// is told so, and what to do; and that works.
func TestLogBesideResticsServer(t *testing.T) {
	dir := t.TempDir()
	place := "rest:" + servers.Rest(t).URL + "shop/"
	configure := func(more string) {
		must(t, os.WriteFile(filepath.Join(dir, "holdfast.yaml"), fmt.Appendf(nil, `
repositories:
  far: { url: %q, %s password: { env: HOLDFAST_PASSWORD } }
sources:
  shop: { postgres: { dsn: "postgres://nobody@127.0.0.1:1/shop", method: physical, wal: stream } }
plans:
  shop: { sources: [shop], repository: far, keep: { daily: 7 } }
`, place, more), 0o600))
	}
	configure("")
	p := program.Holdfast(t).In(dir).With("HOLDFAST_CONFIG="+filepath.Join(dir, "holdfast.yaml"), "HOLDFAST_PASSWORD="+password)
	p.Run(t, "init", "-r", "far")
	r := p.Exits(t, 1, "plan", "validate", "shop") // no server listens at port 1, either
	for _, want := range []string{"this REST server holds only the files of restic", "log_url"} {
		if !strings.Contains(r.Stdout, want) {
			t.Errorf("plan validate does not say %q: %s", want, r.Output())
		}
	}
	p.Exits(t, 1, "wal", "init", "--plan", "shop")

	logs := filepath.Join(dir, "logs")
	must(t, os.Mkdir(logs, 0o700))
	configure("log_url: " + logs + ",")
	p.Run(t, "wal", "init", "--plan", "shop")
	if r := p.Exits(t, 1, "plan", "validate", "shop"); !strings.Contains(r.Stdout, "the log can be archived and read") || strings.Contains(r.Stdout, "only the files of restic") {
		t.Errorf("plan validate with log_url: %s", r.Output())
	}
	p.Run(t, "check", "-r", "far", "--read-data")
	if out := p.Run(t, "evidence", "list", "-r", "far"); !strings.Contains(out, "check") {
		t.Errorf("no evidence is kept beside the log: %s", out)
	}
}
