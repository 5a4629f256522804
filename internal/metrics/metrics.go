// Package metrics shows to Prometheus how runs end, what they moved, and how
// what is measured compares with what was promised.
//
// Times are Unix timestamps, durations seconds, sizes bytes. A series is there
// for each job of each plan, and goes when the plan goes. One rule finds all
// that is late, without naming a job: the time since the last success is
// greater than some intervals that were expected.
package metrics

import (
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"

	"holdfast/internal/history"
)

// Facts are what is known besides runs. Zero times, and durations, are left
// out.
type Facts struct {
	Jobs         []Job
	Plans        []Plan
	Copies       []Copy
	RestoreTests []RestoreTest
	Repositories []Repository
	Notify       Notify
}

// Job is one job of a plan, as it is scheduled.
type Job struct {
	Plan, Repository string
	Job              history.Job
	// Interval is the longest time between two instants it is due at.
	Interval time.Duration
	Next     time.Time
	Running  bool
	Paused   bool
}

// Plan is what a plan promises for a source, and what is measured.
type Plan struct {
	Plan, Source             string
	PromisedRPO, MeasuredRPO time.Duration
	PromisedRTO, MeasuredRTO time.Duration
	// Frozen tells that an anomaly keeps pruning from it.
	Frozen bool
}

// Copy is a repository that holds snapshots of a plan.
type Copy struct {
	Plan, Repository string
	// Newest is the time of its newest recovery point.
	Newest time.Time
}

// RestoreTest is the newest of a plan's source in a repository.
type RestoreTest struct {
	Plan, Source, Repository string
	Last, LastPassed         time.Time
	Took                     time.Duration
}

// Repository is what is known of one.
type Repository struct {
	Repository       string
	SizeBytes        int64
	Snapshots        int
	LastCheck        time.Time
	LastCheckPassed  time.Time
	ProtectedThrough time.Time // objects are locked until then
}

// Notify is how notifications fare.
type Notify struct{ Pending, Delivered, Failed, Dropped int }

// Options say how to make Metrics.
type Options struct {
	Version string
	// Facts gathers what is known, at each scrape: from memory.
	Facts func() Facts
}

// Metrics collects and shows. It is safe for concurrent use.
type Metrics struct {
	facts    func() Facts
	registry *prometheus.Registry

	mu     sync.Mutex
	series map[key]*runs
}

// key names the series of a job.
type key struct {
	plan, source, repository string
	job                      history.Job
}

// runs is what is known of the runs of a job.
type runs struct {
	last                       history.Run
	lastSuccess                time.Time
	attempts, bytes, added     float64
	outcomes                   map[history.Outcome]float64
	lastDuration               time.Duration
	lastBytes, lastAdded       float64
	lastSucceeded, hasMeasured bool
}

// New makes Metrics.
func New(o Options) *Metrics {
	m := &Metrics{facts: o.Facts, registry: prometheus.NewRegistry(), series: make(map[key]*runs)}
	if m.facts == nil {
		m.facts = func() Facts { return Facts{} }
	}
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "holdfast_build_info", Help: "The version that runs.", ConstLabels: prometheus.Labels{"version": o.Version},
	}, func() float64 { return 1 })
	m.registry.MustRegister(m, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Observe takes a run that ended.
func (m *Metrics) Observe(r *history.Run) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.of(r)
	s.outcomes[r.Outcome]++
	if r.Outcome != history.Skipped {
		s.attempts++
		s.bytes += float64(r.Bytes)
		s.added += float64(r.Added)
	}
	s.note(r)
}

// Seed takes runs of the history, in any order: timestamps are there after a
// restart. They are not counted again.
func (m *Metrics) Seed(all []history.Run) {
	m.mu.Lock()
	defer m.mu.Unlock()
	slices.SortStableFunc(all, func(a, b history.Run) int { return a.Ended.Compare(b.Ended) })
	for i := range all {
		m.of(&all[i]).note(&all[i])
	}
}

// Keep forgets the runs of plans that are not there any more.
func (m *Metrics) Keep(plan func(name string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.series {
		if k.plan != "" && !plan(k.plan) {
			delete(m.series, k)
		}
	}
}

func (m *Metrics) of(r *history.Run) *runs {
	k := key{r.Plan, r.Source, r.Repository, r.Job}
	s := m.series[k]
	if s == nil {
		s = &runs{outcomes: make(map[history.Outcome]float64)}
		m.series[k] = s
	}
	return s
}

// note takes the newest run. A run that was skipped says nothing about one
// before it.
func (s *runs) note(r *history.Run) {
	if r.Outcome == history.Skipped {
		return
	}
	s.last, s.hasMeasured = *r, true
	s.lastSucceeded = r.Outcome.Good()
	s.lastDuration = r.Took()
	if r.Outcome.Good() {
		s.lastSuccess = r.Ended
		s.lastBytes, s.lastAdded = float64(r.Bytes), float64(r.Added)
	}
}

// Handler serves what Prometheus scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, Timeout: scrapeLimit})
}

const (
	maxScrapes  = 4
	scrapeLimit = 30 * time.Second
)

// WriteTo writes all as text, as a node exporter reads it from a file.
func (m *Metrics) Write(w io.Writer) error {
	families, err := m.registry.Gather()
	if err != nil {
		return err
	}
	for _, f := range families {
		if name := f.GetName(); len(name) < len(namespace) || name[:len(namespace)] != namespace {
			continue // those of the process, which ends now
		}
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return err
		}
	}
	return nil
}
