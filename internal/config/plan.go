package config

import (
	"strconv"

	"holdfast/internal/retention"
)

// Plan says what to protect, where to, when, for how long, and what it
// promises.
type Plan struct {
	// Sources names what is protected.
	Sources []string `yaml:"sources,flow"`
	// Repository names where the backups go.
	Repository string `yaml:"repository"`
	// Copies are further repositories that get the same snapshots and log. The
	// name of one alone is short for { to: name }.
	Copies []Copy `yaml:"copies,omitempty"`
	// Archives are snapshots as files for cold storage, in a place of their own.
	Archives *Archives `yaml:"archives,omitempty"`
	// Schedule says when to back up.
	Schedule Schedule `yaml:"schedule,omitempty,flow" config:"whole"`
	// Keep says which snapshots stay; without it all of them do.
	Keep retention.Policy `yaml:"keep,omitempty,flow" config:"whole"`
	// Objectives are the RPO and RTO promised.
	Objectives Objectives `yaml:"objectives,omitempty,flow"`
	// RestoreTest says when a restore is tried, and what must hold after it.
	RestoreTest *RestoreTest `yaml:"restore_test,omitempty"`
	// WAL says when the log of the plan's PostgreSQL sources counts as archived.
	WAL *WAL `yaml:"wal,omitempty,flow"`
	// Notify names channels.
	Notify []string `yaml:"notify,omitempty,flow"`

	// Timezone is the zone in which the plan's schedules and windows are read,
	// such as Europe/Zurich; the service's zone if empty.
	Timezone string `yaml:"timezone,omitempty" format:"timezone"`
	// Jitter spreads starts: each run starts up to this much after it is due,
	// always the same for one plan.
	Jitter Duration `yaml:"jitter,omitempty"`
	// Window has the times of the week in which backups may start; empty means
	// any time.
	Window Windows `yaml:"window,omitempty,flow" single:"yes"`
	// Blackout has the times in which nothing of the plan starts.
	Blackout Windows `yaml:"blackout,omitempty,flow" single:"yes"`
	// SkipMissed leaves out runs that were due while the service was down.
	// Otherwise they are caught up, once.
	SkipMissed bool `yaml:"skip_missed,omitempty"`
	// After names plans: a backup waits while one of them is due or running.
	After []string `yaml:"after,omitempty,flow"`
	// Together backs up all sources at one moment: they begin at the same
	// time, and the run has succeeded only if all of them have.
	Together bool `yaml:"together,omitempty"`
	// Hooks are commands to run around a backup.
	Hooks Hooks `yaml:"hooks,omitempty"`
	// Limits bound what a run of the plan may use.
	Limits Limits `yaml:"limits,omitempty"`
	// Ping is told of the start and the end of each backup, as services such
	// as healthchecks have it.
	Ping *Ping `yaml:"ping,omitempty,flow"`
	// Anomaly says when a backup is so unlike those before it that somebody
	// has to look.
	Anomaly Anomaly `yaml:"anomaly,omitempty,flow"`
}

// Schedule holds a cron expression for each type of backup.
type Schedule struct {
	// Full reads everything and trusts no earlier state.
	Full string `yaml:"full,omitempty" format:"cron"`
	// Incremental is relative to the newest snapshot.
	Incremental string `yaml:"incremental,omitempty" format:"cron"`
	// Differential is relative to the newest full.
	Differential string `yaml:"differential,omitempty" format:"cron"`
	Snapshot     string `yaml:"snapshot,omitempty" config:"later"`
}

// Objectives are what a plan promises; 0 promises nothing.
type Objectives struct {
	// RPO is how much recent work may be lost.
	RPO Duration `yaml:"rpo,omitempty"`
	// RTO is how long a restore may take.
	RTO Duration `yaml:"rto,omitempty"`
}

// Copy is a second repository for a plan's snapshots. A name alone is short
// for { to: name }.
type Copy struct {
	// To names the repository.
	To string `yaml:"to"`
	// Keep says which snapshots stay there; without it all of them do.
	Keep retention.Policy `yaml:"keep,omitempty,flow"`
	// Schedule says when to copy; without it each backup is copied at once.
	Schedule string `yaml:"schedule,omitempty" format:"cron"`
}

func (c *Copy) setShort(name string) { *c = Copy{To: name} }

// MarshalYAML writes the short form where it says everything.
func (c Copy) MarshalYAML() (any, error) {
	if c.Schedule == "" && c.Keep.Empty() {
		return c.To, nil
	}
	type long Copy
	return long(c), nil
}

func (p Plan) check(k *checker) {
	k.key("sources").require(len(p.Sources) > 0, "name what the plan protects, such as sources: [www]")
	k.key("repository").require(p.Repository != "", "name where the backups go")
	checkKeep(k.key("keep"), p.Keep)
	for i, c := range p.Copies {
		checkKeep(k.key("copies").item(i).key("keep"), c.Keep)
	}
	if p.Archives != nil {
		p.Archives.check(k.key("archives"), p.Keep)
	}
	p.Hooks.check(k.key("hooks"))
	p.Limits.check(k.key("limits"))
	p.Anomaly.check(k.key("anomaly"))
	if p.Ping != nil {
		p.Ping.check(k.key("ping"))
	}
	if p.WAL != nil {
		p.WAL.check(k.key("wal"))
	}
	if p.RestoreTest != nil {
		p.RestoreTest.check(k.key("restore_test"))
	}
}

func checkKeep(k *checker, policy retention.Policy) {
	if err := policy.Validate(); err != nil {
		k.report(err.Error(), "")
	}
}

func quote(s string) string { return strconv.Quote(s) }

func itemPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
