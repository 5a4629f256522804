package azure_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/azure"
)

// fakeManagement is an honest stand-in for the management of an account: it
// keeps documents whole, as they were put, and refuses what the service does.
type fakeManagement struct {
	mu        sync.Mutex
	documents map[string]json.RawMessage
	changes   int
}

const managedAccount = "/subscriptions/sub/resourceGroups/group/providers/Microsoft.Storage/storageAccounts/account/"

func (f *fakeManagement) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	what, ok := strings.CutPrefix(r.URL.Path, managedAccount)
	body, _ := io.ReadAll(r.Body)
	refuse := func(status int, code string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": code, "message": "no"}})
	}
	switch {
	case r.Header.Get("Authorization") != "Bearer good":
		refuse(403, "AuthorizationFailed")
	case !ok || r.URL.Query().Get("api-version") == "":
		refuse(404, "ResourceNotFound")
	case r.Method == "GET" && f.documents[what] == nil:
		refuse(404, "ResourceNotFound")
	case r.Method == "GET":
		w.Header().Set("Content-Type", "application/json")
		w.Write(f.documents[what])
	case r.Method == "PUT" && strings.Contains(string(body), `"rules":[]`):
		refuse(400, "InvalidRequestPropertyValue")
	case r.Method == "PUT":
		f.documents[what], f.changes = body, f.changes+1
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	case r.Method == "DELETE":
		delete(f.documents, what)
		f.changes++
	}
}

// managedStore returns a store on a fake service with a fake management, and
// the latter.
func managedStore(t *testing.T, token string) (*fakeManagement, *azure.Store) {
	t.Helper()
	m := &fakeManagement{documents: map[string]json.RawMessage{
		"blobServices/default": json.RawMessage(`{"properties": {"isVersioningEnabled": false, "cors": {"corsRules": [1]},
			"deleteRetentionPolicy": {"enabled": true, "days": 7}, "restorePolicy": {"enabled": false}}}`),
	}}
	server := httptest.NewTLSServer(m)
	t.Cleanup(server.Close)
	_, o := newFake(t)
	o.Subscription, o.ResourceGroup, o.ManagementEndpoint = "sub", "group", server.URL
	o.CACertFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(o.CACertFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := azure.OpenTuned(o, azure.Tuning{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return m, s
}

func wantedChanges() storage.SettingChanges {
	return storage.SettingChanges{
		Versioning: true, SoftDelete: 14 * 24 * time.Hour, SetRules: true,
		Rules: []storage.LifecycleRule{{
			ID: "cold-data", Enabled: true, Prefix: "container/root/data/", MarkedOnly: true,
			Actions: []storage.LifecycleAction{{Kind: storage.Transition, After: 30 * 24 * time.Hour, Class: "Archive"}},
		}, {
			ID: "old-versions", Enabled: true, Prefix: "container/root/",
			Actions: []storage.LifecycleAction{{Kind: storage.ExpireNoncurrent, After: 90 * 24 * time.Hour}},
		}},
	}
}

// foreignPolicy holds rules of other people, with things that this program
// has never heard of.
const foreignPolicy = `{"properties": {"policy": {"rules": [
	{"enabled": true, "name": "yearly", "type": "Lifecycle", "definition": {"actions": {"baseBlob": {"delete": {"daysAfterModificationGreaterThan": 365}}}, "filters": {"blobTypes": ["blockBlob"]}}},
	{"enabled": false, "name": "holdfast-container-root-not-ours", "type": "Lifecycle", "definition": {"newThing": {"x": [1]}, "actions": {"snapshot": {"delete": {"daysAfterCreationGreaterThan": 5}}}, "filters": {"blobTypes": ["blockBlob"], "prefixMatch": ["elsewhere/", "logs/"], "blobIndexMatch": [{"name": "a", "op": "==", "value": "b"}]}}}
]}}}`

func rulesOf(t *testing.T, raw json.RawMessage) []any {
	t.Helper()
	var p struct {
		Properties struct{ Policy struct{ Rules []any } }
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	return p.Properties.Policy.Rules
}

func TestManagedAccount(t *testing.T) {
	m, s := managedStore(t, "good")
	ctx := t.Context()
	m.documents["managementPolicies/default"] = json.RawMessage(foreignPolicy)
	for range 2 { // the second time nothing changes
		if err := s.Apply(ctx, wantedChanges()); err != nil {
			t.Fatal(err)
		}
	}
	if m.changes != 3 {
		t.Errorf("the account was changed %d times, want 3", m.changes)
	}

	foreign := rulesOf(t, json.RawMessage(foreignPolicy))
	now := rulesOf(t, m.documents["managementPolicies/default"])
	a, _ := json.Marshal(now[:2])
	b, _ := json.Marshal(foreign)
	if string(a) != string(b) {
		t.Errorf("rules of others became %s, want %s", a, b)
	}
	var service struct{ Properties map[string]json.RawMessage }
	if err := json.Unmarshal(m.documents["blobServices/default"], &service); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(service.Properties)); !slices.Equal(got, []string{"cors", "deleteRetentionPolicy", "isVersioningEnabled", "restorePolicy"}) {
		t.Errorf("the blob service has the properties %q", got)
	}

	settings, err := s.Settings(ctx)
	if err != nil || len(settings.Unread) != 0 {
		t.Fatalf("Settings = %+v, %v", settings, err)
	}
	if settings.Versioning != storage.On || settings.SoftDelete != 14*24*time.Hour {
		t.Errorf("Settings = %+v", settings)
	}
	if len(settings.Rules) != 5 { // one for each prefix
		t.Fatalf("%d rules, want 5: %+v", len(settings.Rules), settings.Rules)
	}
	if r := settings.Rules[0]; r.Own || !r.Enabled || r.Prefix != "" || r.Actions[0] != (storage.LifecycleAction{Kind: storage.Expire, After: 365 * 24 * time.Hour}) {
		t.Errorf("the rule that deletes everything after a year is read as %+v", r)
	}
	if r := settings.Rules[2]; r.Own || r.Enabled || r.Prefix != "logs/" || len(r.Conditions) != 2 || len(r.Actions) != 0 {
		t.Errorf("a rule with much that is unknown is read as %+v", r)
	}
	if r := settings.Rules[3]; !r.Own || !r.MarkedOnly || r.Prefix != "container/root/data/" || len(r.Conditions) != 0 ||
		r.Actions[0] != (storage.LifecycleAction{Kind: storage.Transition, After: 30 * 24 * time.Hour, Class: "Archive"}) {
		t.Errorf("the own rule is read as %+v", r)
	}
	if r := settings.Rules[4]; !r.Own || r.Actions[0] != (storage.LifecycleAction{Kind: storage.ExpireNoncurrent, After: 90 * 24 * time.Hour}) {
		t.Errorf("the own rule is read as %+v", r)
	}
}

// A rule that cannot be read is in force, for all we know; and what one does that
// nobody here knows is told of beside what is known.
func TestRulesInDoubt(t *testing.T) {
	m, s := managedStore(t, "good")
	m.documents["managementPolicies/default"] = json.RawMessage(`{"properties": {"policy": {"rules": [
		{"enabled": true, "name": "odd", "definition": {"actions": {"baseBlob": ["delete"]}}},
		{"enabled": true, "name": "new", "definition": {"actions": {"version": {"delete": {"daysAfterCreationGreaterThan": 90}}, "baseBlob": {"shred": {}}}}}
	]}}}`)
	found, err := s.Settings(t.Context())
	if err != nil || len(found.Rules) != 2 {
		t.Fatal(found, err)
	}
	if r := found.Rules[0]; !r.Enabled || len(r.Actions) != 0 || len(r.Unknown) != 1 {
		t.Errorf("a rule that cannot be read is taken for %+v", r)
	}
	if r := found.Rules[1]; len(r.Actions) != 1 || !slices.Equal(r.Unknown, []string{"baseBlob shred"}) {
		t.Errorf("a rule of a new kind is read as %+v", r)
	}
}

// The first rules of an account make its policy, and the last ones end it.
func TestPolicyBeginsAndEnds(t *testing.T) {
	m, s := managedStore(t, "good")
	if err := s.Apply(t.Context(), wantedChanges()); err != nil {
		t.Fatal(err)
	}
	if n := len(rulesOf(t, m.documents["managementPolicies/default"])); n != 2 {
		t.Errorf("%d rules, want 2", n)
	}
	if err := s.Apply(t.Context(), storage.SettingChanges{SetRules: true}); err != nil {
		t.Fatal(err)
	}
	if m.documents["managementPolicies/default"] != nil {
		t.Error("the policy without rules is still there")
	}
}

func TestManagementRefused(t *testing.T) {
	m, s := managedStore(t, "bad")
	err := s.Apply(t.Context(), wantedChanges())
	if !errors.Is(err, fs.ErrPermission) || m.changes != 0 {
		t.Errorf("Apply = %v, want fs.ErrPermission", err)
	}
	for _, setting := range []storage.Setting{storage.SettingVersioning, storage.SettingSoftDelete, storage.SettingLifecycle} {
		if !strings.Contains(err.Error(), string(setting)) {
			t.Errorf("Apply does not name %s: %v", setting, err)
		}
	}
	settings, err := s.Settings(t.Context())
	if err != nil || len(settings.Unread) != 3 || settings.Versioning != storage.Unknown {
		t.Errorf("Settings = %+v, %v, want three unread", settings, err)
	}
}
