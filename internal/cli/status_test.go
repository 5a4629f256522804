package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"holdfast/internal/config"
	"holdfast/internal/redundancy"
)

// status runs `holdfast status --json` and returns how the first plan stands.
func (s *shell) status(code int, line ...string) (m planStatusMessage) {
	s.t.Helper()
	first, _, _ := strings.Cut(s.run(code, append([]string{"status", "--json"}, line...)...), "\n")
	if err := json.Unmarshal([]byte(first), &m); err != nil {
		s.t.Fatalf("%v in %q", err, first)
	}
	return m
}

func missingRules(list []redundancy.Missing) string {
	var rules []string
	for _, m := range list {
		rules = append(rules, m.Rule)
	}
	return strings.Join(rules, " ")
}

func TestStatus(t *testing.T) {
	s := newShell(t)
	s.backups()
	two := s.makeRepository("two")
	s.configure("two")
	t.Setenv("HOLDFAST_REPOSITORY", "")

	m := s.status(exitFailed)
	if m.Plan != "docs" || m.Score != "2-1-0-0-2" || missingRules(m.Missing) != "copies disk immutable errors errors" {
		t.Errorf("before any copy: %+v", m)
	}
	s.run(exitOK, "copy", "--plan", "docs", "--read-back")
	s.run(exitOK, "check", "--read-data", "-r", "main")
	m = s.status(exitFailed)
	if m.Score != "3-2-1-0-0" || missingRules(m.Missing) != "disk immutable" || m.Repositories[0].Share != 1 {
		t.Errorf("with a copy that was read: %+v", m)
	}
	s.wants(s.run(exitFailed, "status"), "plan docs: 3-2-1-0-0", "tape", "next: ", "immutable")

	s.write("more", "more")
	s.run(exitOK, "backup", "-r", "main", "--host", "www", s.path("source"))
	m = s.status(exitFailed, "docs")
	if m.Copies != 2 || m.Repositories[1].Holds || m.Repositories[1].BehindSeconds == 0 || !strings.Contains(m.Missing[0].Next, "copy --plan docs") {
		t.Errorf("with a copy behind: %+v", m)
	}

	s.damage(two, "data")
	s.wants(s.run(exitFailed, "check", "--read-data", "-r", "two"), "`holdfast repair -r two --from main --read-data`, which brings back what a copy has")
	m = s.status(exitFailed)
	if m.Errors != 1 || m.Repositories[1].Bad == nil {
		t.Errorf("with a copy that is damaged: %+v", m)
	}
	s.run(exitOK, "repair", "-r", "two", "--from", "main", "--read-data")
	s.run(exitOK, "check", "--read-data", "-r", "two")
	s.run(exitOK, "copy", "--plan", "docs")
	if m = s.status(exitFailed); m.Score != "3-2-1-0-0" {
		t.Errorf("healed: %+v", m)
	}

	if err := os.Rename(two, two+".away"); err != nil {
		t.Fatal(err)
	}
	m = s.status(exitFailed)
	r := m.Repositories[1]
	if m.Copies != 2 || m.Errors != 1 || r.Down == "" || r.Seen == nil || r.Newest == nil || r.Holds {
		t.Errorf("with a place that is gone: %+v", m)
	}
	s.wants(s.run(exitFailed, "status"), "as seen", "cannot be listed")
	s.wants(s.run(exitFailed, "status", "nothing"), `no plan "nothing"`)
}

func TestStatusOfARepositoryWithoutPlans(t *testing.T) {
	s := newShell(t)
	s.backups()
	m := s.status(exitFailed)
	if m.Plan != "" || m.Copies != 2 || m.Newest == nil || len(m.Repositories) != 1 {
		t.Errorf("%+v", m)
	}
	s.wants(s.run(exitFailed, "status", "docs"), "no holdfast.yaml")
}

// An archive is late soon after it was due, and not only when the next one is.
func TestArchivesThatAreLate(t *testing.T) {
	plan := config.Plan{Timezone: "UTC", Archives: &config.Archives{Schedule: "0 3 * * MON"}} // a tenth of a week is 16.8 h
	made := time.Date(2026, 6, 1, 3, 40, 0, 0, time.UTC)                                      // a Monday
	due := time.Date(2026, 6, 8, 3, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		after    time.Duration
		underWay bool
		late     bool
	}{
		{-time.Minute, false, false},
		{16 * time.Hour, false, false},
		{17 * time.Hour, false, true},
		{6 * 24 * time.Hour, true, false},
		{7 * 24 * time.Hour, true, true},
	} {
		got := archiveDue(plan, made, due.Add(test.after), test.underWay)
		if test.late && !got.Equal(due) || !test.late && !got.IsZero() {
			t.Errorf("%v after it was due, under way %v: %v", test.after, test.underWay, got)
		}
	}
	plan.Archives.Schedule = "@every 4s"
	if got := archiveDue(plan, made, made.Add(5*time.Second), false); !got.IsZero() {
		t.Errorf("every 4 s: late after 5 s: %v", got)
	}
	if got := archiveDue(plan, made, made.Add(9*time.Second), false); got.IsZero() {
		t.Error("every 4 s: not late after 9 s")
	}
}

// Archives are known to have been read back when they were, by whichever machine:
// the repository of the plan keeps the record.
func TestStatusTellsWhenArchivesWereReadBack(t *testing.T) {
	s := newShell(t)
	s.backups()
	s.configure()
	t.Setenv("HOLDFAST_REPOSITORY", "")
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	key := s.path("age.key")
	if err := os.WriteFile(key, []byte(id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := s.path("holdfast.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, fmt.Sprintf("    archives: { to: %s, recipients: [%s], keep: 7y }\n", s.path("tape"), id.Recipient())...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(exitOK, "archive", "export", "--plan", "docs")
	s.wants(s.run(exitFailed, "status"), "1 archive, ", "never read back")
	s.run(exitOK, "archive", "verify", s.path("tape"))
	s.wants(s.run(exitFailed, "status"), "all read back", "not opened for want of a key")
	s.run(exitOK, "archive", "verify", s.path("tape"), "--identity", key)
	s.wants(s.run(exitFailed, "status"), "all read back and opened")
	s.wants(s.run(exitOK, "evidence", "list", "-r", "main"), "1 archive in "+s.path("tape"))
	parts, err := filepath.Glob(s.path("tape/*/*.age*"))
	if err != nil || len(parts) == 0 {
		t.Fatal(parts, err)
	}
	if err := errors.Join(os.Chmod(parts[0], 0o600), os.WriteFile(parts[0], []byte("damaged"), 0o600)); err != nil {
		t.Fatal(err)
	}
	s.run(exitFailed, "archive", "verify", s.path("tape"))
	s.wants(s.run(exitFailed, "status"), "archives: errors were found on")
	// What is wrong with archives is nothing of the repository that keeps the record.
	if m := s.status(exitFailed); slices.ContainsFunc(m.Repositories, func(r statusRepository) bool { return r.Bad != nil }) {
		t.Errorf("%+v", m.Repositories)
	}
}
