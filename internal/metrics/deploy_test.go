package metrics_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"holdfast/internal/history"
	"holdfast/internal/metrics"
)

// What is shipped beside the program must speak of metrics that there are.
func TestRulesAndDashboardNameMetricsThatExist(t *testing.T) {
	all := metrics.Facts{
		Jobs:         []metrics.Job{{Plan: "p", Interval: time.Hour, Next: at}},
		Plans:        []metrics.Plan{{Plan: "p", PromisedRPO: 1, MeasuredRPO: 1, PromisedRTO: 1, MeasuredRTO: 1}},
		Copies:       []metrics.Copy{{Plan: "p", Newest: at}},
		RestoreTests: []metrics.RestoreTest{{Plan: "p", Last: at, LastPassed: at, Took: 1}},
		Repositories: []metrics.Repository{{Repository: "r", SizeBytes: 1, LastCheck: at, LastCheckPassed: at, ProtectedThrough: at}},
	}
	m := metrics.New(metrics.Options{Facts: func() metrics.Facts { return all }})
	r := backup(0, history.Succeeded)
	m.Observe(&r)
	known := text(t, m)
	name := regexp.MustCompile(`\bholdfast_[a-z_]+`)
	for _, path := range []string{"../../deploy/prometheus/holdfast.rules.yml", "../../deploy/prometheus/holdfast.rules.test.yml", "../../deploy/grafana/holdfast.json"} {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := name.FindAllString(string(file), -1)
		if len(found) < 5 {
			t.Errorf("%s names %d metrics", path, len(found))
		}
		for _, metric := range found {
			if !strings.Contains(known, "# TYPE "+metric+" ") {
				t.Errorf("%s: there is no metric %s", path, metric)
			}
		}
		if strings.HasSuffix(path, ".json") && !json.Valid(file) {
			t.Errorf("%s is not JSON", path)
		}
	}
}

// Prometheus' own checker looks at the metrics, and at the rules and their
// tests.
func TestPromtoolAgrees(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("%v: install it with tools/deps.sh test", err)
	}
	m := metrics.New(metrics.Options{Version: "1"})
	r := backup(0, history.Succeeded)
	m.Observe(&r)
	cmd := exec.Command(tool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text(t, m))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	for _, args := range [][]string{{"check", "rules", "holdfast.rules.yml"}, {"test", "rules", "holdfast.rules.test.yml"}} {
		cmd := exec.Command(tool, args...)
		cmd.Dir = "../../deploy/prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
