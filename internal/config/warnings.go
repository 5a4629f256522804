package config

import (
	"slices"
	"strings"
	"time"

	"holdfast/internal/schedule"
	"holdfast/internal/secret"
)

// Warnings tells what is dubious without being wrong, each with its place and
// what may be done about it: promises that nothing keeps, entries that nothing
// uses, secrets that others may read.
func (i *Inspection) Warnings() Problems {
	root := &checker{at: i.at, file: i.Path, problems: &Problems{}}
	i.warnOfSecrets(root)
	i.warnOfUnused(root)
	due := map[Schedule][]time.Time{} // many plans have the same
	for _, name := range sortedNames(i.Plans) {
		p := i.Plans[name]
		if _, known := due[p.Schedule]; !known {
			due[p.Schedule] = p.Schedule.dueTimes()
		}
		p.warn(root.key("plans").key(name), i.Config, due[p.Schedule])
	}
	return ordered(i.Files, *root.problems)
}

func (c *Config) warnOfSecrets(root *checker) {
	for _, name := range sortedNames(c.Repositories) {
		k, r := root.key("repositories").key(name), c.Repositories[name]
		warnOfSecret(k.key("password"), r.Password)
		if withoutSecrets("", r.URL) != r.URL {
			k.key("url").report("holds a password, and everybody who reads this file reads it", "set HOLDFAST_REST_USERNAME and HOLDFAST_REST_PASSWORD instead")
		}
		if r.Log != nil {
			warnOfSecret(k.key("log").key("signing_key"), r.Log.SigningKey)
			warnOfSecret(k.key("log").key("identity"), r.Log.Identity)
		}
	}
	for _, name := range sortedNames(c.Sources) {
		if p := c.Sources[name].Postgres; p != nil {
			warnOfSecret(root.key("sources").key(name).key("postgres").key("password"), p.Password)
		}
	}
	for _, name := range sortedNames(c.Notify) {
		warnOfSecret(root.key("notify").key(name).key("url"), c.Notify[name].URL)
	}
	for _, name := range sortedNames(c.Plans) {
		k, p := root.key("plans").key(name), c.Plans[name]
		if p.Ping != nil {
			warnOfSecret(k.key("ping").key("url"), p.Ping.URL)
		}
		p.Hooks.warn(k.key("hooks"))
	}
	if c.Service.Ping != nil {
		warnOfSecret(root.key("service").key("ping").key("url"), c.Service.Ping.URL)
	}
}

func warnOfSecret(k *checker, ref secret.Ref) {
	if wrong, fix, _ := strings.Cut(ref.Warning(), ": "); wrong != "" {
		k.report(wrong, fix)
	}
}

// secretNames are parts of names that variables with secrets have.
var secretNames = [...]string{"PASSWORD", "PASSWD", "SECRET", "TOKEN", "PASSPHRASE", "PRIVATE_KEY", "API_KEY"}

// looksSecret tells whether a variable has the name of a secret.
func looksSecret(variable string) bool {
	variable = strings.ToUpper(variable)
	return slices.ContainsFunc(secretNames[:], func(part string) bool { return strings.Contains(variable, part) })
}

func (h Hooks) warn(k *checker) {
	for name, hooks := range map[string][]Hook{"before": h.Before, "after": h.After, "on_error": h.OnError} {
		for i, hook := range hooks {
			for variable := range hook.Env {
				if looksSecret(variable) {
					k.key(name).item(i).key("env").key(variable).report("looks like a secret, and everybody who reads this file reads it",
						"let the command read it from a file")
				}
			}
		}
	}
}

// warnOfUnused finds what no plan uses.
func (c *Config) warnOfUnused(root *checker) {
	used := map[string]bool{}
	use := func(section string, names ...string) {
		for _, name := range names {
			used[join(section, name)] = true
		}
	}
	for _, p := range c.Plans {
		use("sources", p.Sources...)
		use("repositories", p.Repositories()...)
		use("notify", p.Notify...)
	}
	use("notify", c.Service.Notify...)
	for _, n := range c.Notify {
		for _, e := range n.Escalate {
			use("notify", e.To...)
		}
	}
	warnOfUnused(root.key("sources"), used, c.Sources, "is in no plan: it is not backed up", "add it to the sources of a plan")
	warnOfUnused(root.key("repositories"), used, c.Repositories, "is in no plan: nothing is kept up there", "name it in a plan, or remove it")
	warnOfUnused(root.key("notify"), used, c.Notify, "no plan names it: nobody is told by it", "add it to the notify of a plan or of the service")
}

func warnOfUnused[T any](k *checker, used map[string]bool, entries map[string]T, text, fix string) {
	for _, name := range sortedNames(entries) {
		if !used[join(k.path, name)] {
			k.key(name).report(text, fix)
		}
	}
}

// warn finds what a plan promises or wants and does not get.
func (p Plan) warn(k *checker, c *Config, due []time.Time) {
	p.warnOfRPO(k.key("objectives").key("rpo"), c, due)
	if p.Objectives.RTO > 0 && (p.RestoreTest == nil || p.RestoreTest.Schedule == "") {
		k.key("objectives").key("rto").report("nothing measures how long a restore takes", "write restore_test: { schedule: ... }")
	}
	if t := p.RestoreTest; t != nil && t.Schedule == "" && len(t.Checks) > 0 {
		k.key("restore_test").report("has no schedule: nothing runs it by itself", `such as schedule: "0 5 * * SAT"`)
	}
	hours := schedule.Hours{Windows: p.Window.Spans(), Blackouts: p.Blackout.Spans(), Zone: time.UTC}
	if len(due) > 0 && !slices.ContainsFunc(due, hours.Open) {
		k.key("schedule").report("is never due within the window: every backup waits until it opens", "make the two meet")
	}
	if gap := shortestGap(due); p.Jitter > 0 && gap > 0 && time.Duration(p.Jitter) >= gap {
		k.key("jitter").report("is longer than the "+Duration(gap).String()+" from one backup to the next", "make it shorter")
	}
}

// warnOfRPO compares the RPO with what the plan does about it.
func (p Plan) warnOfRPO(k *checker, c *Config, due []time.Time) {
	rpo := time.Duration(p.Objectives.RPO)
	if rpo == 0 {
		return
	}
	if p.WAL != nil && p.WAL.Every != nil && time.Duration(*p.WAL.Every) > rpo {
		k.report("log is archived only every "+p.WAL.Every.String()+" (wal.every)", "archive it more often")
	}
	if !slices.ContainsFunc(p.Sources, func(name string) bool { return !c.Sources[name].hasLog() }) {
		return // the log covers what lies between two backups
	}
	switch gap := longestGap(due); {
	case len(due) == 0:
		k.report("nothing is backed up by itself: the plan has no schedule", `such as schedule: { incremental: "0 * * * *" }`)
	case gap > rpo:
		k.report("cannot be kept: up to "+Duration(gap.Round(time.Second)).String()+" pass from one backup to the next", "back up more often, archive the log, or promise less")
	}
}

// hasLog tells whether a source's log is archived between two backups.
func (s Source) hasLog() bool {
	return s.Postgres != nil && s.Postgres.Method != MethodDump && s.Postgres.WAL != "" && s.Postgres.WAL != "none"
}

const (
	// lookAhead is how far backups are looked at for gaps: further than any
	// pattern of months.
	lookAhead = 400 * 24 * time.Hour
	// lookAtLeast is how far those are looked at that are due so often that
	// seldomDue is reached before: further than any pattern of a week.
	lookAtLeast = 15 * 24 * time.Hour
	// seldomDue and maxDue bound how many of each type are looked at: one a
	// minute is within.
	seldomDue, maxDue = 1500, 25000
)

// dueTimes returns when backups of any type are due, in order, from a fixed day
// on. In UTC, where every day has 24 hours: that once a year one has 25 is
// nothing to warn of.
func (s Schedule) dueTimes() []time.Time {
	begin := time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)
	end := begin.Add(lookAhead)
	var all [][]time.Time
	for _, text := range []string{s.Full, s.Incremental, s.Differential} {
		expression, err := schedule.Parse(text, time.UTC)
		if text == "" || err != nil {
			continue
		}
		var due []time.Time
		at := expression.Next(begin)
		for !at.IsZero() && at.Before(end) && len(due) < maxDue && (len(due) < seldomDue || at.Sub(begin) < lookAtLeast) {
			due = append(due, at)
			at = expression.Next(at)
		}
		if len(due) >= seldomDue { // of the others, no more than of this one
			end = due[len(due)-1]
		}
		all = append(all, due)
	}
	merged := slices.SortedFunc(slices.Values(slices.Concat(all...)), time.Time.Compare)
	return slices.DeleteFunc(merged, func(t time.Time) bool { return t.After(end) })
}

func longestGap(due []time.Time) (longest time.Duration) {
	for i := 1; i < len(due); i++ {
		longest = max(longest, due[i].Sub(due[i-1]))
	}
	return longest
}

// shortestGap leaves out types that are due at once.
func shortestGap(due []time.Time) (shortest time.Duration) {
	for i := 1; i < len(due); i++ {
		if gap := due[i].Sub(due[i-1]); gap > 0 && (shortest == 0 || gap < shortest) {
			shortest = gap
		}
	}
	return shortest
}
