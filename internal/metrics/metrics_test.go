package metrics_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"holdfast/internal/history"
	"holdfast/internal/metrics"
)

var at = time.Unix(1_767_232_800, 0).UTC()

func backup(n int, outcome history.Outcome) history.Run {
	return history.Run{
		Plan: "shop", Repository: "local", Job: history.Backup, Outcome: outcome, Bytes: 1000, Added: 10,
		Started: at.Add(time.Duration(n) * time.Hour), Ended: at.Add(time.Duration(n)*time.Hour + time.Minute),
	}
}

func text(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	var b strings.Builder
	if err := m.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func expect(t *testing.T, got string, lines ...string) {
	t.Helper()
	for _, want := range lines {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no line %q in\n%s", want, got)
		}
	}
}

const shop = `{kind="backup",plan="shop",repository="local",source=""`

func TestRunsAreCounted(t *testing.T) {
	m := metrics.New(metrics.Options{Version: "1.2"})
	m.Seed([]history.Run{backup(1, history.Succeeded), backup(0, history.Failed)})
	expect(t, text(t, m),
		`holdfast_run_last_success_timestamp_seconds`+shop+`} 1.76723646e+09`,
		`holdfast_run_last_succeeded`+shop+`} 1`,
		`holdfast_run_attempts_total`+shop+`} 0`,
		`holdfast_build_info{version="1.2"} 1`,
	)
	for _, r := range []history.Run{backup(2, history.Succeeded), backup(3, history.Failed), backup(4, history.Skipped)} {
		m.Observe(&r)
	}
	expect(t, text(t, m),
		`holdfast_run_last_success_timestamp_seconds`+shop+`} 1.76724006e+09`,
		`holdfast_run_last_timestamp_seconds`+shop+`} 1.76724366e+09`,
		`holdfast_run_last_succeeded`+shop+`} 0`,
		`holdfast_run_last_duration_seconds`+shop+`} 60`,
		`holdfast_run_last_bytes`+shop+`} 1000`,
		`holdfast_run_attempts_total`+shop+`} 2`,
		`holdfast_run_added_bytes_total`+shop+`} 20`,
		`holdfast_runs_total{kind="backup",outcome="failed",plan="shop",repository="local",source=""} 1`,
		`holdfast_runs_total{kind="backup",outcome="interrupted",plan="shop",repository="local",source=""} 0`,
	)
	m.Keep(func(name string) bool { return name != "shop" })
	if got := text(t, m); strings.Contains(got, "shop") {
		t.Errorf("a plan that is gone is shown:\n%s", got)
	}
}

func TestFactsAreShown(t *testing.T) {
	facts := metrics.Facts{
		Jobs:         []metrics.Job{{Plan: "shop", Repository: "local", Job: history.Backup, Interval: 24 * time.Hour, Next: at, Running: true}},
		Plans:        []metrics.Plan{{Plan: "shop", Source: "db", PromisedRPO: 15 * time.Minute, MeasuredRPO: time.Minute, PromisedRTO: time.Hour, Frozen: true}},
		Copies:       []metrics.Copy{{Plan: "shop", Repository: "local", Newest: at}, {Plan: "shop", Repository: "offsite"}},
		RestoreTests: []metrics.RestoreTest{{Plan: "shop", Source: "db", Repository: "offsite", Last: at, LastPassed: at, Took: time.Minute}},
		Repositories: []metrics.Repository{{Repository: "local", SizeBytes: 1 << 30, Snapshots: 7, LastCheck: at}},
		Notify:       metrics.Notify{Pending: 3},
	}
	got := text(t, metrics.New(metrics.Options{Facts: func() metrics.Facts { return facts }}))
	expect(t, got,
		`holdfast_schedule_expected_interval_seconds{kind="backup",plan="shop",repository="local"} 86400`,
		`holdfast_run_running{kind="backup",plan="shop",repository="local"} 1`,
		`holdfast_rpo_promised_seconds{plan="shop",source="db"} 900`,
		`holdfast_rpo_measured_seconds{plan="shop",source="db"} 60`,
		`holdfast_prune_frozen{plan="shop",source="db"} 1`,
		`holdfast_copies{plan="shop"} 2`,
		`holdfast_copy_newest_timestamp_seconds{plan="shop",repository="local"} 1.7672328e+09`,
		`holdfast_restore_test_last_success_timestamp_seconds{plan="shop",repository="offsite",source="db"} 1.7672328e+09`,
		`holdfast_repository_size_bytes{repository="local"} 1.073741824e+09`,
		`holdfast_notifications_pending 3`,
	)
	for _, unknown := range []string{"rto_measured", `repository="offsite"} 0`, "check_last_success"} {
		if strings.Contains(got, unknown) {
			t.Errorf("what nobody knows is shown: %s", unknown)
		}
	}
}

func TestTheServerTellsMetricsAndHealth(t *testing.T) {
	m := metrics.New(metrics.Options{})
	var unwell error
	mux := http.NewServeMux()
	m.Mount(mux, func() error { return unwell })
	server := httptest.NewServer(mux)
	defer server.Close()
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if code, body := get("/metrics"); code != 200 || !strings.Contains(body, "holdfast_build_info") || !strings.Contains(body, "process_resident_memory_bytes") {
		t.Errorf("/metrics: %d %s", code, body)
	}
	if code, body := get("/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("/healthz: %d %s", code, body)
	}
	unwell = errors.New("the ledger's disk is full")
	if code, body := get("/healthz"); code != 503 || !strings.Contains(body, "disk is full") {
		t.Errorf("/healthz of one that is not well: %d %s", code, body)
	}
	if code, _ := get("/"); code != 404 {
		t.Errorf("/: %d", code)
	}
}
