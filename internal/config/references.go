package config

import (
	"slices"
	"strings"
)

// checkReferences checks that every name leads somewhere, and what several
// entries say together.
func (c *Config) checkReferences(root *checker) {
	for _, name := range sortedNames(c.Plans) {
		c.Plans[name].checkNames(root.key("plans").key(name), c)
	}
	for _, name := range sortedNames(c.Notify) {
		for i, e := range c.Notify[name].Escalate {
			checkRefs(root.key("notify").key(name).key("escalate").item(i).key("to"), "notify channel", e.To, c.Notify)
		}
	}
	checkRefs(root.key("service").key("notify"), "notify channel", c.Service.Notify, c.Notify)
	c.checkOrder(root.key("plans"))
}

func (p Plan) checkNames(k *checker, c *Config) {
	checkRefs(k.key("sources"), "source", p.Sources, c.Sources)
	if p.Repository != "" {
		checkRef(k.key("repository"), "repository", p.Repository, c.Repositories)
	}
	checkRefs(k.key("notify"), "notify channel", p.Notify, c.Notify)
	checkRefs(k.key("after"), "plan", p.After, c.Plans)

	seen := map[string]bool{p.Repository: true}
	for i, copied := range p.Copies {
		item := k.key("copies").item(i)
		checkRef(item, "repository", copied.To, c.Repositories)
		if seen[copied.To] {
			item.report("the snapshots are there already", "name another repository")
		}
		seen[copied.To] = true
	}
	if p.RestoreTest != nil {
		p.RestoreTest.checkNames(k.key("restore_test"), p, c)
	}
}

// checkNames checks that a restore test is of what the plan has.
func (t RestoreTest) checkNames(k *checker, p Plan, c *Config) {
	places := p.Repositories()
	for i, from := range t.From {
		checkMember(k.key("from").item(i), from, places, "the plan has no snapshots there")
	}
	databases := slices.ContainsFunc(p.Sources, func(name string) bool { return c.Sources[name].Postgres != nil })
	for i, check := range t.Checks {
		item := k.key("checks").item(i)
		if check.Source != "" {
			checkMember(item.key("source"), check.Source, p.Sources, "the plan has no such source")
		}
		if check.SQL != "" && !databases {
			item.key("sql").report("no source of the plan is a database", "remove the check, or add the database to sources")
		}
	}
}

func checkMember(k *checker, name string, known []string, wrong string) {
	if !slices.Contains(known, name) {
		k.report(wrong+": "+quote(name), suggest(name, known))
	}
}

// checkOrder finds plans that wait for themselves.
func (c *Config) checkOrder(k *checker) {
	done := map[string]bool{}
	for _, name := range sortedNames(c.Plans) {
		c.followAfter(k, name, nil, done)
	}
}

// followAfter reports the first circle on the way from a plan; each circle is
// reported once, since the plans on it are then done.
func (c *Config) followAfter(k *checker, name string, via []string, done map[string]bool) {
	if at := slices.Index(via, name); at >= 0 {
		circle := append(slices.Clone(via[at:]), name)
		k.key(via[at]).key("after").report("the plan waits for itself: "+strings.Join(circle, " after "), "remove one of them")
		return
	}
	if done[name] {
		return
	}
	via = append(slices.Clip(via), name)
	for _, before := range c.Plans[name].After {
		c.followAfter(k, before, via, done)
	}
	done[name] = true
}
