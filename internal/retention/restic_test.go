package retention

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"testing"
	"time"

	"holdfast/test/tools"
)

// TestDecidesAsRestic compares the decisions and their reasons with those of
// restic forget, on a repository made for it (testdata/make.sh).
func TestDecidesAsRestic(t *testing.T) {
	if testing.Short() {
		t.Skip("runs restic")
	}
	restic := openRestic(t)
	for _, flags := range [][]string{
		{"--keep-last", "3"},
		{"--keep-last", "100", "--keep-hourly", "4"},
		{"--keep-hourly", "unlimited"},
		{"--keep-daily", "7"},
		{"--keep-daily", "1000", "--keep-tag", "a"},
		{"--keep-weekly", "6", "--keep-tag", "a,b", "--keep-tag", "b,c", "--keep-tag", ""},
		{"--keep-weekly", "unlimited"},
		{"--keep-monthly", "5", "--keep-yearly", "4"},
		{"--keep-daily", "7", "--keep-weekly", "5", "--keep-monthly", "12", "--keep-yearly", "75"},
		{"--keep-within", "1m"},
		{"--keep-within", "2y3m5d7h", "--keep-last", "1"},
		{"--keep-within-hourly", "26h", "--keep-within-daily", "1m1d"},
		{"--keep-within-weekly", "2m", "--keep-within-monthly", "1y"},
		{"--keep-within-daily", "7d", "--keep-within-weekly", "1m", "--keep-within-monthly", "1y", "--keep-within-yearly", "75y"},
		{"--keep-within-yearly", "3y", "--keep-hourly", "2", "--keep-yearly", "9"},
	} {
		policy := parseFlags(t, flags)
		for host, want := range restic.forget(flags) {
			got := make(map[string][]string)
			for _, d := range Apply(policy, want.snapshots, time.Now(), nil).Decisions {
				got[d.Snapshot.ID] = d.Reasons
			}
			if !maps.EqualFunc(got, want.reasons, slices.Equal) {
				t.Errorf("%q, host %s\n got %v\nwant %v", flags, host, got, want.reasons)
			}
		}
	}
}

// parseFlags reads restic's flags for a policy, two elements each.
func parseFlags(t *testing.T, flags []string) Policy {
	t.Helper()
	var p Policy
	values := map[string]interface{ Set(string) error }{
		"--keep-last": &p.Last, "--keep-hourly": &p.Hourly, "--keep-daily": &p.Daily,
		"--keep-weekly": &p.Weekly, "--keep-monthly": &p.Monthly, "--keep-yearly": &p.Yearly,
		"--keep-within": &p.Within, "--keep-within-hourly": &p.WithinHourly, "--keep-within-daily": &p.WithinDaily,
		"--keep-within-weekly": &p.WithinWeekly, "--keep-within-monthly": &p.WithinMonthly, "--keep-within-yearly": &p.WithinYearly,
	}
	for pair := range slices.Chunk(flags, 2) {
		if pair[0] == "--keep-tag" {
			p.Tags = append(p.Tags, ParseTagList(pair[1]))
			continue
		}
		if err := values[pair[0]].Set(pair[1]); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// restic is an unpacked copy of the repository.
type restic struct {
	t         *testing.T
	path, dir string
}

func openRestic(t *testing.T) restic {
	t.Helper()
	archive, err := zip.OpenReader("testdata/snapshots.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	dir := t.TempDir()
	if err := os.CopyFS(dir, archive); err != nil {
		t.Fatal(err)
	}
	return restic{t, tools.Restic(t), dir}
}

// group is one group of snapshots and what restic says about it.
type group struct {
	snapshots []Snapshot
	reasons   map[string][]string // by snapshot ID; none if it is removed
}

// forget asks restic what it would do, and returns it by host.
func (r restic) forget(flags []string) map[string]group {
	r.t.Helper()
	cmd := exec.Command(r.path, append([]string{"forget", "--dry-run", "--no-lock", "--no-cache", "--json"}, flags...)...)
	cmd.Env = append(os.Environ(), "RESTIC_REPOSITORY="+r.dir, "RESTIC_PASSWORD=x")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("restic forget %q: %v\n%s", flags, err, &stderr)
	}
	var answer []struct {
		Host         string
		Keep, Remove []Snapshot
		Reasons      []struct {
			Snapshot Snapshot
			Matches  []string
		}
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		r.t.Fatal(err)
	}
	groups := make(map[string]group)
	for _, a := range answer {
		g := group{append(a.Keep, a.Remove...), make(map[string][]string)}
		for _, sn := range a.Remove {
			g.reasons[sn.ID] = nil
		}
		for i, reason := range a.Reasons {
			if !reflect.DeepEqual(reason.Snapshot, a.Keep[i]) {
				r.t.Fatal("reasons are not in the order of the snapshots kept")
			}
			g.reasons[reason.Snapshot.ID] = reason.Matches
		}
		groups[a.Host] = g
	}
	if len(groups) != 5 {
		r.t.Fatalf("restic found %d groups, want 5", len(groups))
	}
	return groups
}
