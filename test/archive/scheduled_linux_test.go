package archive

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"holdfast/test/program"
	"holdfast/test/service"
)

// archivesStatus is what `holdfast status --json` says of a plan's archives.
type archivesStatus struct {
	Type     string   `json:"message_type"`
	Archives int      `json:"archives"`
	Newest   string   `json:"newest"`
	Missing  []string `json:"missing"`
}

// The service archives what a plan backed up, when that is due. An archive that
// cannot be made is a run that failed, and `status` tells how the place stands.
func TestArchivesAreScheduled(t *testing.T) {
	t.Parallel()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	h := service.NewHost(t)
	h.Write("www/letter", "dear Ann")
	h.Write("holdfast.yaml", fmt.Sprintf(`repositories: { local: { url: %[1]s/local, password: { file: %[1]s/password } } }
sources: { www: { files: { paths: [%[1]s/www] } } }
plans:
  www:
    sources: [www]
    repository: local
    schedule: { full: "@every 3s" }
    archives: { to: %[1]s/disk/shelf, recipients: [%[2]s], keep: 1y, schedule: "@every 4s" }
    limits: { retries: { attempts: 1 } }
service: { upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: off } } }
`, h.Dir, key.Recipient()))
	h.Holdfast.Run(t, "init", "-q", "-r", "local")
	status := func() (stands archivesStatus) {
		for line := range strings.Lines(h.Holdfast.Try("status", "www", "--json").Stdout) {
			var one archivesStatus
			if json.Unmarshal([]byte(line), &one) == nil && one.Type == "archives_status" {
				stands = one
			}
		}
		return stands
	}
	if s := status(); len(s.Missing) != 1 {
		t.Errorf("before there is any: %+v", s)
	}
	failed := func() int {
		return len(program.JSON[struct{}](t, h.Holdfast, "run", "list", "-n", "0", "--job", "archive", "--outcome", "failed"))
	}
	h.Serve().Logged("service-started")
	h.Until("an archive fails for want of its disk", func() bool { return failed() > 0 })
	if err := os.Mkdir(h.Path("disk"), 0o755); err != nil {
		t.Fatal(err)
	}
	h.Until("there are two archives", func() bool { return status().Archives >= 2 })
	if s := status(); s.Newest == "" || strings.Contains(strings.Join(s.Missing, "\n"), "there is no archive") {
		t.Errorf("%+v", s)
	}
	shelves, err := filepath.Glob(h.Path("disk/shelf/*/SHA256SUMS"))
	if err != nil || len(shelves) == 0 {
		t.Fatalf("%q, %v", shelves, err)
	}
	h.Write("key.txt", key.String()+"\n")
	h.Holdfast.Run(t, "archive", "verify", h.Path("disk/shelf"), filepath.Base(filepath.Dir(shelves[0])), "-i", h.Path("key.txt"))
	manifest := filepath.Join(filepath.Dir(shelves[0]), "manifest.json")
	if err := os.Chmod(manifest, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(manifest, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := status(); !strings.Contains(strings.Join(s.Missing, "\n"), "damaged") {
		t.Errorf("a manifest was changed: %+v", s)
	}
}
