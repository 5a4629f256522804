// Package retention decides which snapshots to keep and which to remove, and
// says why. It is a pure rule: snapshots, a policy and the time go in, a
// decision with its reasons comes out; deleting is the caller's work.
//
// The rules are those of restic's forget (its manual, "Removing snapshots
// according to a policy", and the behaviour of v0.18.1), because both may run
// on one repository and must not disagree about what may go. A snapshot is
// kept if any one rule of the policy keeps it.
//
//   - last, hourly … yearly count: of the newest n hours, days, ISO weeks,
//     months, years that have a snapshot, the newest snapshot of each is kept.
//     While a count is not used up, the oldest snapshot of all is kept too, so
//     that a young history grows to its full length.
//   - within keeps everything younger than a duration, within-hourly …
//     within-yearly the newest of each hour … year in it. The duration ends at
//     the newest snapshot, not now: when backups stop, what there is does not
//     age away.
//   - tags keeps every snapshot that has all tags of one of the lists.
//
// One thing is done more safely than restic does it. A snapshot dated after
// now, made by a machine with a wrong clock or by someone with bad intent, is
// kept and takes no part in counting. In restic it uses up counts, and enough
// of them push out every real snapshot.
package retention

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Policy says what to keep, such as { within: 30d, weekly: 8 }: everything that
// one of its rules is for.
//
// The zero policy keeps nothing: see Empty. It is part of the configuration as
// it stands.
type Policy struct {
	// Last is how many of the newest stay.
	Last Count `yaml:"last,omitempty" json:"last,omitempty"`
	// Hourly, Daily, Weekly, Monthly and Yearly are for how many hours, days,
	// weeks, months and years with snapshots the newest of each stays.
	Hourly  Count `yaml:"hourly,omitempty" json:"hourly,omitempty"`
	Daily   Count `yaml:"daily,omitempty" json:"daily,omitempty"`
	Weekly  Count `yaml:"weekly,omitempty" json:"weekly,omitempty"`
	Monthly Count `yaml:"monthly,omitempty" json:"monthly,omitempty"`
	Yearly  Count `yaml:"yearly,omitempty" json:"yearly,omitempty"`

	// Within keeps all that are at most this much older than the newest.
	Within Duration `yaml:"within,omitempty" json:"within,omitzero"`
	// WithinHourly, WithinDaily, WithinWeekly, WithinMonthly and WithinYearly
	// keep the newest of each hour, day, week, month or year within this much of
	// the newest.
	WithinHourly  Duration `yaml:"within_hourly,omitempty" json:"within_hourly,omitzero"`
	WithinDaily   Duration `yaml:"within_daily,omitempty" json:"within_daily,omitzero"`
	WithinWeekly  Duration `yaml:"within_weekly,omitempty" json:"within_weekly,omitzero"`
	WithinMonthly Duration `yaml:"within_monthly,omitempty" json:"within_monthly,omitzero"`
	WithinYearly  Duration `yaml:"within_yearly,omitempty" json:"within_yearly,omitzero"`

	// Tags keeps those that have all tags of one of these.
	Tags []TagList `yaml:"tags,omitempty" json:"tags,omitempty"`
}

// Empty reports whether the policy has no rule and so would remove every
// snapshot. A caller refuses to act on such a policy unless it was asked, in
// so many words, to remove everything.
func (p Policy) Empty() bool {
	if len(p.Tags) > 0 {
		return false
	}
	for _, rule := range p.counts() {
		if rule.count != 0 {
			return false
		}
	}
	for _, rule := range p.withins() {
		if rule.within != (Duration{}) {
			return false
		}
	}
	return p.Within == Duration{}
}

// Validate returns an error that names every rule with a negative value.
func (p Policy) Validate() error {
	var bad []error
	for _, rule := range p.counts() {
		if rule.count < Unlimited {
			bad = append(bad, fmt.Errorf("keep %s: %w", rule.period, errNegativeCount))
		}
	}
	if p.Within.negative() {
		bad = append(bad, fmt.Errorf("keep within: %w", errNegativeDuration))
	}
	for _, rule := range p.withins() {
		if rule.within.negative() {
			bad = append(bad, fmt.Errorf("keep within-%s: %w", rule.period, errNegativeDuration))
		}
	}
	return errors.Join(bad...)
}

var (
	errNegativeCount    = errors.New(`a count is 0 or more, or "unlimited"`)
	errNegativeDuration = errors.New("a duration cannot be negative")
)

// String describes the policy to a person: "keep 7 daily, all yearly snapshots
// and all snapshots within 2m of the newest".
func (p Policy) String() string {
	var counted, rules []string
	for _, rule := range p.counts() {
		switch {
		case rule.count > 0:
			counted = append(counted, fmt.Sprintf("%d %s", rule.count, rule.period))
		case rule.count == Unlimited:
			counted = append(counted, fmt.Sprintf("all %s", rule.period))
		}
	}
	if len(counted) > 0 {
		rules = append(rules, strings.Join(counted, ", ")+" snapshots")
	}
	for _, rule := range p.withins() {
		if rule.within != (Duration{}) {
			rules = append(rules, fmt.Sprintf("%s snapshots within %v of the newest", rule.period, rule.within))
		}
	}
	if p.Within != (Duration{}) {
		rules = append(rules, fmt.Sprintf("all snapshots within %v of the newest", p.Within))
	}
	for _, tags := range p.Tags {
		rules = append(rules, fmt.Sprintf("all snapshots with tags %v", tags))
	}
	if len(rules) == 0 {
		return "keep nothing"
	}
	return "keep " + strings.Join(rules, " and ")
}

// Count is how many snapshots a rule keeps: 0 switches the rule off. It is a
// command-line flag value and a configuration value.
type Count int

// Unlimited keeps all that a rule counts.
const Unlimited Count = -1

const unlimitedWord = "unlimited"

// ParseCount reads a count: a number from 0 on, or "unlimited".
func ParseCount(s string) (Count, error) {
	if s == unlimitedWord {
		return Unlimited, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("count %q: %w", s, errNegativeCount)
	}
	return Count(n), nil
}

func (c Count) String() string {
	if c == Unlimited {
		return unlimitedWord
	}
	return strconv.Itoa(int(c))
}

// Set is ParseCount for a flag.
func (c *Count) Set(s string) (err error) {
	*c, err = ParseCount(s)
	return err
}

// Type names the value in help texts.
func (*Count) Type() string { return "n" }

// UnmarshalText is ParseCount for a configuration.
func (c *Count) UnmarshalText(text []byte) error { return c.Set(string(text)) }

// MarshalText is String for a configuration.
func (c Count) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// TagList is a set of tags that a snapshot must all have. The empty tag stands
// for "has no tags".
type TagList []string

// ParseTagList reads tags separated by commas. White space around a tag is
// removed.
func ParseTagList(s string) TagList {
	tags := strings.Split(s, ",")
	for i := range tags {
		tags[i] = strings.TrimSpace(tags[i])
	}
	return tags
}

func (l TagList) String() string { return "[" + strings.Join(l, ", ") + "]" }

// UnmarshalText is ParseTagList for a configuration.
func (l *TagList) UnmarshalText(text []byte) error {
	*l = ParseTagList(string(text))
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (l TagList) MarshalText() ([]byte, error) { return []byte(strings.Join(l, ",")), nil }
