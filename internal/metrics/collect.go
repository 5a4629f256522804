package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast/internal/history"
)

const namespace = "holdfast_"

// described makes the description of a metric when it is shown: there are
// none before anybody asks.
func described(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+name, help, labels, nil)
}

// Describe implements prometheus.Collector: which series there are depends on
// the plans.
func (*Metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	c := collection{out}
	m.collectRuns(c)
	facts := m.facts()
	c.jobs(facts.Jobs)
	c.plans(facts.Plans)
	c.copies(facts.Copies)
	c.restoreTests(facts.RestoreTests)
	c.repositories(facts.Repositories)
	c.notify(facts.Notify)
}

// collection takes what is collected.
type collection struct{ out chan<- prometheus.Metric }

func (c collection) gauge(d *prometheus.Desc, v float64, labels ...string) {
	c.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (c collection) counter(d *prometheus.Desc, v float64, labels ...string) {
	c.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func (c collection) time(d *prometheus.Desc, t time.Time, labels ...string) {
	if !t.IsZero() {
		c.gauge(d, float64(t.UnixMilli())/1000, labels...)
	}
}

func (c collection) duration(d *prometheus.Desc, took time.Duration, labels ...string) {
	if took > 0 {
		c.gauge(d, took.Seconds(), labels...)
	}
}

func (c collection) flag(d *prometheus.Desc, set bool, labels ...string) {
	v := 0.0
	if set {
		v = 1
	}
	c.gauge(d, v, labels...)
}

// counted are the outcomes of which a counter is always there, so that its
// first step is seen.
var counted = [...]history.Outcome{history.Succeeded, history.Partial, history.Failed, history.Interrupted, history.Skipped}

func (m *Metrics) collectRuns(c collection) {
	// "job" is a label of Prometheus' own.
	labels := []string{"plan", "source", "repository", "kind"}
	lastSuccess := described("run_last_success_timestamp_seconds", "When the newest good run ended.", labels...)
	lastEnd := described("run_last_timestamp_seconds", "When the newest run ended.", labels...)
	succeeded := described("run_last_succeeded", "1 if the newest run was good.", labels...)
	duration := described("run_last_duration_seconds", "How long the newest run took.", labels...)
	lastBytes := described("run_last_bytes", "What the newest good run read or moved.", labels...)
	lastAdded := described("run_last_added_bytes", "What the newest good run added to the repository.", labels...)
	attempts := described("run_attempts_total", "Runs since the start of the service.", labels...)
	outcomes := described("runs_total", "Runs since the start of the service, by how they ended.", append(labels, "outcome")...)
	bytes := described("run_bytes_total", "What runs read or moved since the start of the service.", labels...)
	added := described("run_added_bytes_total", "What runs added to repositories since the start of the service.", labels...)

	m.mu.Lock()
	defer m.mu.Unlock()
	for k, s := range m.series {
		values := []string{k.plan, k.source, k.repository, string(k.job)}
		c.time(lastSuccess, s.lastSuccess, values...)
		if s.hasMeasured {
			c.time(lastEnd, s.last.Ended, values...)
			c.flag(succeeded, s.lastSucceeded, values...)
			c.gauge(duration, s.lastDuration.Seconds(), values...)
		}
		if !s.lastSuccess.IsZero() {
			c.gauge(lastBytes, s.lastBytes, values...)
			c.gauge(lastAdded, s.lastAdded, values...)
		}
		c.counter(attempts, s.attempts, values...)
		c.counter(bytes, s.bytes, values...)
		c.counter(added, s.added, values...)
		for _, o := range counted {
			c.counter(outcomes, s.outcomes[o], append(values[:len(values):len(values)], string(o))...)
		}
	}
}

func (c collection) jobs(all []Job) {
	labels := []string{"plan", "repository", "kind"}
	interval := described("schedule_expected_interval_seconds", "The longest time between two instants the job is due at.", labels...)
	next := described("schedule_next_timestamp_seconds", "When the job is due next.", labels...)
	running := described("run_running", "1 while a run of the job works.", labels...)
	paused := described("schedule_paused", "1 while somebody paused the plan.", labels...)
	for _, j := range all {
		values := []string{j.Plan, j.Repository, string(j.Job)}
		c.duration(interval, j.Interval, values...)
		c.time(next, j.Next, values...)
		c.flag(running, j.Running, values...)
		c.flag(paused, j.Paused, values...)
	}
}

func (c collection) plans(all []Plan) {
	labels := []string{"plan", "source"}
	promisedRPO := described("rpo_promised_seconds", "How much recent work may be lost.", labels...)
	measuredRPO := described("rpo_measured_seconds", "How old the newest recovery point is that can be restored.", labels...)
	promisedRTO := described("rto_promised_seconds", "How long a restore may take.", labels...)
	measuredRTO := described("rto_measured_seconds", "How long a restore takes, as last measured and forecast from it.", labels...)
	frozen := described("prune_frozen", "1 while an anomaly keeps snapshots from being removed.", labels...)
	for _, p := range all {
		c.duration(promisedRPO, p.PromisedRPO, p.Plan, p.Source)
		c.duration(measuredRPO, p.MeasuredRPO, p.Plan, p.Source)
		c.duration(promisedRTO, p.PromisedRTO, p.Plan, p.Source)
		c.duration(measuredRTO, p.MeasuredRTO, p.Plan, p.Source)
		c.flag(frozen, p.Frozen, p.Plan, p.Source)
	}
}

func (c collection) copies(all []Copy) {
	newest := described("copy_newest_timestamp_seconds", "The newest recovery point of the plan that the repository holds.", "plan", "repository")
	count := described("copies", "Repositories that hold snapshots of the plan.", "plan")
	counts := make(map[string]int)
	for _, copied := range all {
		counts[copied.Plan]++
		c.time(newest, copied.Newest, copied.Plan, copied.Repository)
	}
	for plan, n := range counts {
		c.gauge(count, float64(n), plan)
	}
}

func (c collection) restoreTests(all []RestoreTest) {
	labels := []string{"plan", "source", "repository"}
	last := described("restore_test_last_timestamp_seconds", "When the newest restore test ended.", labels...)
	passed := described("restore_test_last_success_timestamp_seconds", "When the newest restore test ended that passed.", labels...)
	took := described("restore_test_last_duration_seconds", "How long the restore in the newest test took.", labels...)
	for _, t := range all {
		c.time(last, t.Last, t.Plan, t.Source, t.Repository)
		c.time(passed, t.LastPassed, t.Plan, t.Source, t.Repository)
		c.duration(took, t.Took, t.Plan, t.Source, t.Repository)
	}
}

func (c collection) repositories(all []Repository) {
	size := described("repository_size_bytes", "What the repository takes in its store.", "repository")
	snapshots := described("repository_snapshots", "Snapshots in the repository.", "repository")
	last := described("repository_check_last_timestamp_seconds", "When data was last read back.", "repository")
	passed := described("repository_check_last_success_timestamp_seconds", "When data was last read back without error.", "repository")
	protected := described("repository_protected_until_timestamp_seconds", "Until when the objects looked at are locked.", "repository")
	for _, r := range all {
		if r.SizeBytes > 0 {
			c.gauge(size, float64(r.SizeBytes), r.Repository)
		}
		if r.Snapshots > 0 {
			c.gauge(snapshots, float64(r.Snapshots), r.Repository)
		}
		c.time(last, r.LastCheck, r.Repository)
		c.time(passed, r.LastCheckPassed, r.Repository)
		c.time(protected, r.ProtectedThrough, r.Repository)
	}
}

func (c collection) notify(n Notify) {
	c.gauge(described("notifications_pending", "Messages that wait for delivery."), float64(n.Pending))
	c.counter(described("notifications_delivered_total", "Deliveries since the start of the service."), float64(n.Delivered))
	c.counter(described("notifications_failed_total", "Deliveries that failed, and are tried again."), float64(n.Failed))
	c.counter(described("notifications_dropped_total", "Messages that were given up."), float64(n.Dropped))
}
