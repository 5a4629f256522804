package service

import (
	"context"
	"sync/atomic"
	"time"

	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/event"
	"holdfast/internal/history"
	"holdfast/internal/ledger"
	"holdfast/internal/metrics"
	"holdfast/internal/notify"
	"holdfast/internal/schedule"
)

// signals tell people and programs outside how the service is doing.
type signals struct {
	notifier *notify.Notifier
	pinger   *notify.Pinger
	metrics  *metrics.Metrics
	facts    atomic.Pointer[metrics.Facts]
}

// openSignals makes them, as far as the configuration asks for them. Events
// go to them from then on.
func (s *service) openSignals(cfg *config.Config, jobs []controller.Job) error {
	s.signals = &signals{}
	s.signals.facts.Store(factsOf(cfg, jobs, time.Now()))
	notifying, err := NotifyConfig(cfg)
	if err != nil {
		return err
	}
	told := notify.Options{Config: notifying, Store: drawer{s.ledger}, Log: s.Log}
	if s.Once { // the next one may come tomorrow
		told.Last = lastMessages
	}
	s.signals.notifier = notify.New(told)
	s.signals.pinger = notify.NewPinger(pingsOf(cfg), s.Log)
	s.signals.metrics = metrics.New(metrics.Options{Version: s.Version, Facts: s.gatherFacts})
	if err := s.seedMetrics(cfg); err != nil {
		return err
	}
	s.events = append(s.events, s.signals.notifier, s.signals.pinger)
	return nil
}

// lastMessages is how long a service that runs once waits for its messages to be
// delivered.
const lastMessages = time.Minute

// seedRuns bounds the runs of a plan that are looked at for timestamps of
// before the start: those in memory.
const seedRuns = 20

func (s *service) seedMetrics(cfg *config.Config) error {
	for name := range cfg.Plans {
		runs, err := s.history.Last(name, seedRuns)
		if len(runs) == 0 && err != nil {
			return err
		}
		s.signals.metrics.Seed(runs)
	}
	return nil
}

// parts are what runs for as long as the service does.
func (s *service) signalParts(cfg *config.Config) []func(context.Context) error {
	parts := []func(context.Context) error{s.signals.notifier.Run, s.signals.pinger.Run}
	if cfg.Service.Ping != nil {
		place := cfg.Service.Ping.URL
		parts = append(parts, func(ctx context.Context) error { return notify.Beat(ctx, place, s.well, s.Log) })
	}
	return parts
}

// reloadSignals goes on with another configuration. service.listen, its tls and
// service.ping are read at the start alone.
func (s *service) reloadSignals(cfg *config.Config, jobs []controller.Job) {
	if notifying, err := NotifyConfig(cfg); err == nil { // config checked the names
		s.signals.notifier.Reload(notifying)
	}
	s.signals.pinger.Reload(pingsOf(cfg))
	s.signals.facts.Store(factsOf(cfg, jobs, time.Now()))
	s.signals.metrics.Keep(func(plan string) bool { _, there := cfg.Plans[plan]; return there })
}

// well tells whether the service can do its work.
func (s *service) well() error {
	if err := s.ledger.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), wellLimit)
	defer cancel()
	_, err := s.controller.Status(ctx)
	return err
}

// wellLimit is how long the controller may take to answer: longer than any of
// its writes on a slow disk.
const wellLimit = 20 * time.Second

// NotifyConfig returns whom to tell what, as a configuration says.
func NotifyConfig(cfg *config.Config) (notify.Config, error) {
	c := notify.Config{Channels: make(map[string]notify.Channel), Plans: make(map[string][]string), Default: cfg.Service.Notify}
	b := &builder{c: cfg}
	for name, from := range cfg.Notify {
		channel := notify.Channel{
			URL: from.URL, MinSeverity: event.Warning, Repeat: time.Duration(from.Repeat),
			Quiet: schedule.Hours{Blackouts: from.Quiet.Spans(), Zone: b.zone(from.Timezone)},
		}
		if from.MinSeverity != "" {
			if err := channel.MinSeverity.UnmarshalText([]byte(from.MinSeverity)); err != nil {
				return c, err
			}
		}
		for _, e := range from.Escalate {
			channel.Escalate = append(channel.Escalate, notify.Escalation{After: time.Duration(e.After), To: e.To})
		}
		c.Channels[name] = channel
	}
	for name := range cfg.Plans {
		if told := cfg.Plans[name].Notify; len(told) > 0 {
			c.Plans[name] = told
		}
	}
	return c, b.err
}

func pingsOf(cfg *config.Config) notify.Pings {
	pings := make(notify.Pings)
	for name := range cfg.Plans {
		if p := cfg.Plans[name].Ping; p != nil {
			pings[name] = p.URL
		}
	}
	return pings
}

// factsOf returns what the configuration says that metrics show.
func factsOf(cfg *config.Config, jobs []controller.Job, now time.Time) *metrics.Facts {
	var f metrics.Facts
	for i := range jobs {
		j := &jobs[i]
		f.Jobs = append(f.Jobs, metrics.Job{Plan: j.Plan, Repository: j.Repository, Job: j.Kind, Interval: longestInterval(j, now)})
	}
	for name := range cfg.Plans {
		for _, source := range cfg.Plans[name].Sources {
			o := cfg.Plans[name].Objectives
			f.Plans = append(f.Plans, metrics.Plan{Plan: name, Source: source, PromisedRPO: time.Duration(o.RPO), PromisedRTO: time.Duration(o.RTO)})
		}
	}
	return &f
}

// sampledInstants is how many instants are looked at for the longest interval:
// more than a schedule of weekdays has in two weeks.
const sampledInstants = 30

// longestInterval returns the longest time between two instants that a job is
// due at; 0 for one that follows others, or runs always.
func longestInterval(j *controller.Job, now time.Time) time.Duration {
	var longest time.Duration
	at := now
	for n := range sampledInstants {
		var next time.Time
		for _, v := range j.Variants {
			if t := v.Rule.Next(at); !t.IsZero() && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
		if next.IsZero() {
			return 0
		}
		if n > 0 {
			longest = max(longest, next.Sub(at))
		}
		at = next
	}
	return longest
}

// gatherFacts adds what is known now, for one scrape.
func (s *service) gatherFacts() metrics.Facts {
	f := *s.signals.facts.Load()
	stats := s.signals.notifier.Stats()
	f.Notify = metrics.Notify(stats)
	ctx, cancel := context.WithTimeout(context.Background(), wellLimit)
	defer cancel()
	all, err := s.controller.Status(ctx)
	if err != nil {
		return f
	}
	byKey := make(map[jobKey]*controller.Status, len(all))
	for i := range all {
		byKey[jobKey{all[i].Plan, all[i].Kind}] = &all[i]
	}
	jobs := make([]metrics.Job, len(f.Jobs))
	for i, j := range f.Jobs {
		if status := byKey[jobKey{j.Plan, j.Job}]; status != nil {
			j.Next, j.Running, j.Paused = status.Next, status.Running != nil, status.Paused != nil
		}
		jobs[i] = j
	}
	f.Jobs = jobs
	if surveyed := s.console.Surveys(); surveyed != nil {
		addSurveyed(&f, surveyed, s.console.Sizes())
	}
	return f
}

type jobKey struct {
	plan string
	kind history.Job
}

// drawer keeps the state of notifications in the ledger.
type drawer struct{ *ledger.Ledger }

func (d drawer) Save(ctx context.Context, key string, v any) error {
	_, err := d.Put(ctx, key, v, ledger.AnyRevision)
	return err
}

func (d drawer) Remove(ctx context.Context, key string) error { return d.Delete(ctx, key) }

func (d drawer) Each(ctx context.Context, prefix string, fn func(string, func(any) error) error) error {
	return d.List(ctx, prefix, func(key string, decode func(any) error, _ ledger.Revision) error { return fn(key, decode) })
}
