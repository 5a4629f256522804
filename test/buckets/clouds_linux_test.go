package buckets

import (
	"strings"
	"testing"

	"holdfast/test/program"
	"holdfast/test/servers"
)

// elsewhere returns holdfast on a repository in another kind of bucket.
func elsewhere(t *testing.T, url string, env ...string) program.Program {
	t.Helper()
	return program.Holdfast(t).In(t.TempDir()).With(env...).On(url, "correct horse")
}

// Azurite stores soft delete and has no rules, versions or locks; what cannot
// be set is said, with the command that sets it.
func TestSettingsOnAzure(t *testing.T) {
	a := servers.Azure(t)
	h := elsewhere(t, "azure:"+a.Container(t)+":/repo", "AZURE_ACCOUNT_NAME="+a.Account, "AZURE_ACCOUNT_KEY="+a.Key, "AZURE_STORAGE_BLOB_ENDPOINT="+a.Endpoint)
	h.Run(t, "init")
	if out := h.Run(t, "storage", "plan"); !strings.Contains(out, "soft delete") {
		t.Errorf("plan: %s", out)
	}
	if r := h.Try("storage", "apply"); r.Code != 0 {
		t.Errorf("apply: exit code %d\n%s", r.Code, r.Output())
	}
	if r := h.Try("storage", "check"); r.Code != 0 || !strings.Contains(r.Stdout, "soft delete") {
		t.Errorf("check: exit code %d\n%s", r.Code, r.Output())
	}
	h.Run(t, "storage", "policy", "--role", "backup")
	r := h.Try("storage", "apply", "--cold-class", "Cool", "--cold-after", "30d")
	if r.Code == 0 || !strings.Contains(r.Output(), "az storage account management-policy") {
		t.Errorf("a rule that these credentials cannot set: exit code %d\n%s", r.Code, r.Output())
	}
}

// fake-gcs-server takes changes of rules and keeps none: that is noticed.
func TestSettingsOnGoogleCloud(t *testing.T) {
	g := servers.GCS(t)
	h := elsewhere(t, "gs:"+g.Bucket(t)+":/repo", "STORAGE_EMULATOR_HOST="+g.Endpoint)
	h.Run(t, "init")
	h.Run(t, "storage", "plan")
	r := h.Try("storage", "apply")
	if r.Code != 1 || !strings.Contains(r.Stderr, "the service has none, not") {
		t.Errorf("a service that ignores rules: exit code %d\n%s", r.Code, r.Output())
	}
	if r := h.Try("storage", "check"); r.Code != 0 {
		t.Errorf("check: exit code %d\n%s", r.Code, r.Output())
	}
	h.Run(t, "storage", "policy", "--role", "restore")
}
