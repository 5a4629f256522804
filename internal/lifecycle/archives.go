package lifecycle

import (
	"fmt"

	"holdfast/storage"
)

// archivesRule deletes archives by their age. Each is whole in itself, or with
// those before it, which are as old or older: unlike the objects of a
// repository, they may go by their age.
const archivesRule = "archives"

// archiveRules returns the rules for a place that holds archives and nothing
// else.
func archiveRules(s *storage.Settings, w Wishes) []storage.LifecycleRule {
	rules := []storage.LifecycleRule{{ID: archivesRule, Enabled: true, Prefix: s.Root, Actions: []storage.LifecycleAction{
		{Kind: storage.Expire, After: w.Archives},
	}}}
	if !w.NoUploads {
		rules = append(rules, endUploads(s.Root))
	}
	// Where versions are kept, what expires is only hidden.
	if s.Versioning == storage.On || s.Versioning == storage.Suspended {
		rules = append(rules, storage.LifecycleRule{ID: "deleted", Enabled: true, Prefix: s.Root, Actions: w.deletedActions()})
	}
	return rules
}

// archives judges the settings of a place of archives.
func (c *findings) archives() {
	c.probe()
	expired := false
	for _, r := range c.Settings.Rules {
		if !r.Enabled || !overlap(r.Prefix, c.Settings.Root) {
			continue
		}
		for _, a := range r.Actions {
			if a.Kind == storage.Expire {
				expired = true
				c.archivesExpire(r, a)
			}
		}
		c.unknown(r, "archives")
	}
	if !expired && c.Settings.Unread[storage.SettingLifecycle] == nil {
		c.add(Notice, "archives", "nothing deletes them, and they are to stay for "+period(c.Wishes.Archives), applyFix)
	}
	c.unread()
	c.ownRules()
}

// archivesExpire judges a rule that deletes archives.
func (c *findings) archivesExpire(r storage.LifecycleRule, a storage.LifecycleAction) {
	want := c.Wishes.Archives
	switch {
	case !a.At.IsZero():
		c.add(Danger, ruleName(r), describeAction(a)+": it deletes archives whatever their age, and they are to stay for "+period(want), "change or remove it")
	case a.After < want:
		c.add(Danger, ruleName(r), fmt.Sprintf("%s: archives are to stay for %s, and those that others are relative to as long as these", describeAction(a), period(want)), "change it")
	case a.After == want:
		c.add(Good, ruleName(r), describeAction(a)+", as holdfast.yaml says", "")
	default:
		c.add(Notice, ruleName(r), fmt.Sprintf("%s: longer than the %s that holdfast.yaml says", describeAction(a), period(want)), "")
	}
}

func ruleName(r storage.LifecycleRule) string {
	if r.ID == "" {
		return "rule"
	}
	return "rule " + r.ID
}
