package config

import (
	"strconv"

	"holdfast/internal/expect"
	"holdfast/internal/retention"
	"holdfast/internal/secret"
)

// Plan says what to protect, where to, when, for how long, and what it
// promises.
type Plan struct {
	Sources    []string `yaml:"sources,flow"`
	Repository string   `yaml:"repository"`
	Copies     []Copy   `yaml:"copies,omitempty"`
	Schedule   Schedule `yaml:"schedule,omitempty,flow"`
	// Keep says which snapshots stay; without it all of them do.
	Keep retention.Policy `yaml:"keep,omitempty,flow"`
	// Objectives are the RPO and RTO promised.
	Objectives  Objectives   `yaml:"objectives,omitempty,flow"`
	RestoreTest *RestoreTest `yaml:"restore_test,omitempty"`
	WAL         *WAL         `yaml:"wal,omitempty,flow"`
	// Notify names channels.
	Notify []string `yaml:"notify,omitempty,flow"`

	Timezone any `yaml:"timezone,omitempty" config:"later"`
	Jitter   any `yaml:"jitter,omitempty"   config:"later"`
	Window   any `yaml:"window,omitempty"   config:"later"`
	Blackout any `yaml:"blackout,omitempty" config:"later"`
	After    any `yaml:"after,omitempty"    config:"later"`
	Hooks    any `yaml:"hooks,omitempty"    config:"later"`
	Limits   any `yaml:"limits,omitempty"   config:"later"`
}

// Schedule holds a cron expression for each type of backup.
type Schedule struct {
	Full         string `yaml:"full,omitempty"`
	Incremental  string `yaml:"incremental,omitempty"`
	Differential string `yaml:"differential,omitempty"`
	Snapshot     string `yaml:"snapshot,omitempty"`
}

// Objectives are what a plan promises; 0 promises nothing.
type Objectives struct {
	RPO Duration `yaml:"rpo,omitempty"`
	RTO Duration `yaml:"rto,omitempty"`
}

// RestoreTest says when a restore is tried and what must hold after it.
type RestoreTest struct {
	Schedule string  `yaml:"schedule,omitempty"`
	Checks   []Check `yaml:"checks,omitempty"`
}

// Check is one question to restored data and the answer it must give.
type Check struct {
	SQL    string `yaml:"sql"`
	Expect string `yaml:"expect,omitempty"`
}

// Copy is a second repository for a plan's snapshots. A name alone is short
// for { to: name }.
type Copy struct {
	To       string           `yaml:"to"`
	Keep     retention.Policy `yaml:"keep,omitempty,flow"`
	Schedule string           `yaml:"schedule,omitempty"`
}

// UnmarshalYAML reads both forms.
func (c *Copy) UnmarshalYAML(unmarshal func(any) error) error {
	if err := unmarshal(&c.To); err == nil {
		return nil
	}
	type long Copy
	return unmarshal((*long)(c))
}

// MarshalYAML writes the short form where it says everything.
func (c Copy) MarshalYAML() (any, error) {
	if c.Schedule == "" && c.Keep.Empty() {
		return c.To, nil
	}
	type long Copy
	return long(c), nil
}

// Channel is a place to send notifications to. Its URL is a secret: it
// holds a token in most services.
type Channel struct {
	URL secret.Ref `yaml:"url,flow"`
}

func (n Channel) check(k *checker) { checkSecret(k.key("url"), n.URL) }

func (p Plan) check(k *checker) {
	k.key("sources").require(len(p.Sources) > 0, "name what the plan protects, such as sources: [www]")
	k.key("repository").require(p.Repository != "", "name where the backups go")
	checkKeep(k.key("keep"), p.Keep)
	for i, c := range p.Copies {
		checkKeep(k.key("copies").item(i).key("keep"), c.Keep)
	}
	if p.WAL != nil {
		p.WAL.check(k.key("wal"))
	}
	if p.RestoreTest != nil {
		for i, c := range p.RestoreTest.Checks {
			item := k.key("restore_test").key("checks").item(i)
			item.key("sql").require(c.SQL != "", "write the query to run")
			if _, err := expect.Parse(c.Expect); err != nil {
				item.key("expect").report(err.Error(), "")
			}
		}
	}
}

func checkKeep(k *checker, policy retention.Policy) {
	if err := policy.Validate(); err != nil {
		k.report(err.Error(), "")
	}
}

// checkNames checks that every name in the plan leads somewhere in c.
func (p Plan) checkNames(k *checker, c *Config) {
	checkRefs(k.key("sources"), "source", p.Sources, c.Sources)
	if p.Repository != "" {
		checkRef(k.key("repository"), "repository", p.Repository, c.Repositories)
	}
	checkRefs(k.key("notify"), "notify channel", p.Notify, c.Notify)

	seen := map[string]bool{p.Repository: true}
	for i, copied := range p.Copies {
		item := k.key("copies").item(i)
		checkRef(item, "repository", copied.To, c.Repositories)
		if seen[copied.To] {
			item.report("the snapshots are there already", "name another repository")
		}
		seen[copied.To] = true
	}
}

func quote(s string) string { return strconv.Quote(s) }

func itemPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
