package azure_test

import (
	"strings"
	"testing"

	"holdfast/storage/azure"
)

func TestParse(t *testing.T) {
	tests := []struct {
		place string
		want  azure.Options // zero: an error
	}{
		{"azure:backups:/", azure.Options{Container: "backups"}},
		{"azure:backups:", azure.Options{Container: "backups"}},
		{"azure:backups", azure.Options{Container: "backups"}},
		{"azure:backups:/host/www", azure.Options{Container: "backups", Prefix: "host/www"}},
		{"azure:backups:host//www/", azure.Options{Container: "backups", Prefix: "host/www"}},
		{"azure:backups:/../../x", azure.Options{Container: "backups", Prefix: "x"}},
		{"azure://acc/backups", azure.Options{Account: "acc", Container: "backups"}},
		{"azure://acc/backups/host/www/", azure.Options{Account: "acc", Container: "backups", Prefix: "host/www"}},
		{"azure:", azure.Options{}},
		{"azure://acc", azure.Options{}},
		{"azure:///backups", azure.Options{}},
		{"azure:Backups:/", azure.Options{}},
		{"azure:a--b:/", azure.Options{}},
		{"azure:ab:/", azure.Options{}},
		{"s3:backups:/", azure.Options{}},
		{"azure://acc/backups?sv=1&sig=SECRET", azure.Options{}},
	}
	for _, test := range tests {
		got, err := azure.Parse(test.place)
		if (err != nil) != (test.want == azure.Options{}) || got != test.want {
			t.Errorf("Parse(%q) = %+v, %v, want %+v", test.place, got, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("Parse quotes a signature: %v", err)
		}
	}
}

func TestSet(t *testing.T) {
	var o azure.Options
	for name, value := range map[string]string{
		"account-name": "acc", "endpoint": "https://private.example", "access-tier": "cool", "mark-bulk": "true", "connections": "8",
	} {
		if err := o.Set(name, value); err != nil {
			t.Errorf("Set(%s, %s): %v", name, value, err)
		}
	}
	want := azure.Options{Account: "acc", Endpoint: "https://private.example", AccessTier: "Cool", MarkBulk: true, Connections: 8}
	if o != want {
		t.Errorf("Set made %+v, want %+v", o, want)
	}
	for name, value := range map[string]string{
		"access-tier": "Archive", "mark-bulk": "maybe", "connections": "-1", "key": "x",
	} {
		if err := o.Set(name, value); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Set(%s, %s) = %v, want an error that names it", name, value, err)
		}
	}
}

// clearEnvironment takes away what the machine of the test may have.
func clearEnvironment(t *testing.T) {
	for _, name := range []string{
		"AZURE_ACCOUNT_NAME", "AZURE_ACCOUNT_KEY", "AZURE_ACCOUNT_SAS", "AZURE_ENDPOINT_SUFFIX",
		"AZURE_FORCE_CLI_CREDENTIAL", "AZURE_STORAGE_BLOB_ENDPOINT",
		"AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP",
	} {
		t.Setenv(name, "")
	}
}

func TestCredentialsOfTheEnvironment(t *testing.T) {
	clearEnvironment(t)
	if _, err := azure.Open(t.Context(), azure.Options{Container: "backups"}); err == nil || !strings.Contains(err.Error(), "AZURE_ACCOUNT_NAME") {
		t.Errorf("Open without an account = %v, want AZURE_ACCOUNT_NAME named", err)
	}
	t.Setenv("AZURE_ACCOUNT_NAME", "acc")
	t.Setenv("AZURE_ACCOUNT_KEY", "not base64: SECRET")
	if _, err := azure.Open(t.Context(), azure.Options{Container: "backups"}); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("Open with a broken key = %v, want an error without it", err)
	}
	t.Setenv("AZURE_ACCOUNT_KEY", "")
	t.Setenv("AZURE_ACCOUNT_SAS", "SECRET")
	if _, err := azure.Open(t.Context(), azure.Options{Container: "backups"}); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("Open with a broken signature = %v, want an error without it", err)
	}
	t.Setenv("AZURE_ACCOUNT_SAS", "?sv=1&sig=SECRET")
	s, err := azure.Open(t.Context(), azure.Options{Container: "backups"})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Location(); got != "azure:backups:/ (account acc)" {
		t.Errorf("Location() = %q", got)
	}
	t.Setenv("AZURE_ACCOUNT_SAS", "")
	if _, err := azure.Open(t.Context(), azure.Options{Container: "backups"}); err != nil {
		t.Errorf("Open with the default credentials, of which none is asked yet = %v", err)
	}
}

// Without any identity the user is told what to set, once.
func TestNoIdentity(t *testing.T) {
	clearEnvironment(t)
	t.Setenv("AZURE_FORCE_CLI_CREDENTIAL", "true")
	t.Setenv("PATH", t.TempDir()) // no Azure CLI
	s, err := azure.Open(t.Context(), azure.Options{Account: "acc", Container: "backups"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Stat(t.Context(), "config")
	wantClean(t, err, true)
	if err == nil || !strings.Contains(err.Error(), "az login") {
		t.Errorf("Stat = %v, want the way to log in", err)
	}
}
