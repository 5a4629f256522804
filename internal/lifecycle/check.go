package lifecycle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/storage"
)

// Level says how bad a finding is.
type Level string

// The levels. A Danger puts data at risk: it is an error of the check.
const (
	Good    Level = "good"
	Notice  Level = "notice"
	Warning Level = "warning"
	Danger  Level = "danger"
)

// Finding is one thing that a check has found.
type Finding struct {
	Level Level `json:"level"`
	// What is a short name: "versioning", "rule expire-old".
	What string `json:"what"`
	// Text says what is so and what follows from it, Fix what to do.
	Text string `json:"text"`
	Fix  string `json:"fix,omitempty"`
}

// String returns the finding as a line of text.
func (f Finding) String() string {
	s := fmt.Sprintf("%s: %s", f.What, f.Text)
	if f.Fix != "" {
		s += "; " + f.Fix
	}
	return s
}

// Worst returns the worst level among findings.
func Worst(findings []Finding) Level {
	order := []Level{Good, Notice, Warning, Danger}
	worst := 0
	for _, f := range findings {
		worst = max(worst, slices.Index(order, f.Level))
	}
	return order[worst]
}

// Facts are what a check judges.
type Facts struct {
	Settings storage.Settings
	Wishes   Wishes
	// Frozen tells whether objects of a class cannot be read at once.
	Frozen func(class string) bool
	// Probe is what trying the service out has shown; nil if nobody tried.
	Probe *storage.Probe
	// Sample is what some objects have shown of their retention; nil if nobody
	// looked.
	Sample *Sample
}

// Check finds what is wrong with the settings of a bucket for the repository
// in it, or for the archives: above all rules that delete or freeze what is
// needed.
func Check(f Facts) []Finding {
	c := &findings{Facts: f}
	if f.Wishes.Archives > 0 {
		c.archives()
		return c.list
	}
	c.versions()
	c.locking()
	c.sample()
	c.probe()
	for _, r := range f.Settings.Rules {
		if r.Enabled && (!r.Own || c.strays(r)) {
			c.foreign(r)
		}
	}
	c.unread()
	c.ownRules()
	return c.list
}

// strays tells whether a rule that has the name of one of ours does what none of a
// repository's does: delete objects by their age, as that of a place of archives
// does to which a repository has come since; or, when somebody has edited it, move
// what is not marked, clear away what was deleted too soon, or something unknown.
func (c *findings) strays(r storage.LifecycleRule) bool {
	return len(r.Unknown) > 0 || slices.ContainsFunc(r.Actions, func(a storage.LifecycleAction) bool {
		level, _ := c.action(r, a)
		return level == Danger || level == Warning
	})
}

// findings gathers what a check finds.
type findings struct {
	Facts
	list []Finding
}

func (c *findings) add(l Level, what, text, fix string) {
	c.list = append(c.list, Finding{l, what, text, fix})
}

const applyFix = "set it with `holdfast storage apply`"

func (c *findings) versions() {
	s, locked := &c.Settings, c.Wishes.Immutable.Mode != ""
	switch {
	case s.Versioning == storage.On:
		c.add(Good, "versioning", "what is deleted or replaced can be brought back", "")
	case s.SoftDelete > 0 && !locked:
		c.add(Good, "soft delete", "what is deleted can be brought back for "+period(s.SoftDelete), "")
	case locked:
		c.add(Danger, "versioning", "it is not on: with retentions and without versions, prune cannot replace index files, and an object that is replaced is lost", applyFix)
	case s.Versioning == storage.Unknown && s.Unread[storage.SettingVersioning] != nil: // told of below
	default:
		c.add(Warning, "versioning", "it is not on: what an attacker, or a slip, deletes is gone", applyFix)
	}
}

func (c *findings) locking() {
	s, want := &c.Settings, c.Wishes.Immutable
	switch {
	case want.Mode != "" && s.Locking == storage.On:
		c.add(Good, "object lock", fmt.Sprintf("new objects are retained for %s (%s)", period(want.For), want.Mode), "")
	case want.Mode != "" && s.Locking == storage.Off:
		c.add(Danger, "object lock", "the bucket cannot lock objects, and holdfast.yaml says that the repository is immutable: every backup will fail",
			"most services want that chosen when the bucket is made: make a new one with object lock, and `holdfast copy --mirror` the repository there")
	case s.Locking == storage.On:
		c.add(Notice, "object lock", "the bucket can lock objects, and nothing asks for it", "write immutable: { mode: governance, for: 35d } into holdfast.yaml to use it")
	}
	if d := s.DefaultRetention; d.Mode != "" && s.Versioning != storage.On {
		c.add(Danger, "default retention", "the bucket retains every object for "+period(d.For)+", and keeps no versions: locks of the repository cannot be deleted, so it stays locked", "turn versioning on, or the default retention off")
	} else if d.Mode != "" {
		c.add(Notice, "default retention", "the bucket retains every object for "+period(d.For)+" by itself, locks of the repository too", "")
	}
}

// The skew of clocks from which on it is told of, and from which on services
// refuse requests.
const (
	noticeableSkew = 2 * time.Minute
	refusedSkew    = 14 * time.Minute
)

func (c *findings) probe() {
	p := c.Probe
	if p == nil {
		return
	}
	if p.ConditionalCreate == nil {
		c.add(Good, "conditional create", "the service refuses to put over an object", "")
	} else {
		c.add(Warning, "conditional create", p.ConditionalCreate.Error()+": two programs that put the same object at once can replace each other's; the content is the same, so that no data is lost", "")
	}
	if p.ChecksumsVerified == nil {
		c.add(Good, "checksums", "the service refuses a body that arrived damaged", "")
	} else {
		c.add(Warning, "checksums", p.ChecksumsVerified.Error()+": a body that is damaged on the way is found by `holdfast check --read-data` only", "")
	}
	skew := p.ClockSkew.Abs()
	direction := "ahead of"
	if p.ClockSkew < 0 {
		direction = "behind"
	}
	text := fmt.Sprintf("that of the service is %v %s this machine's", skew.Round(time.Second), direction)
	switch {
	case skew >= refusedSkew:
		c.add(Danger, "clock", text+": requests are refused, and retentions end at the wrong time", "set the clock of this machine, and let NTP keep it")
	case skew >= noticeableSkew:
		c.add(Warning, "clock", text, "let NTP keep the clock of this machine")
	default:
		c.add(Good, "clock", text, "")
	}
}

// foreign judges a rule that is not ours.
func (c *findings) foreign(r storage.LifecycleRule) {
	if !overlap(r.Prefix, c.Settings.Root) {
		return
	}
	what := ruleName(r)
	fix := "change or remove it; holdfast never does that with rules of others"
	if r.Own {
		fix = applyFix
	}
	c.unknown(r, "objects")
	for _, a := range r.Actions {
		level, text := c.action(r, a)
		if level == Good {
			continue
		}
		if len(r.Conditions) > 0 && level != Notice {
			text += " (where " + strings.Join(r.Conditions, ", ") + ")"
		}
		c.add(level, what, describeAction(a)+": "+text, fix)
	}
}

// unknown tells of what a rule does that holdfast does not know.
func (c *findings) unknown(r storage.LifecycleRule, to string) {
	if len(r.Unknown) > 0 || len(r.Actions) == 0 {
		text := strings.Join(append([]string{"it does something that holdfast does not know"}, r.Unknown...), ", ")
		c.add(Warning, ruleName(r), text+": "+firstLine(r.Raw), "look whether it deletes or moves "+to)
	}
}

// action judges what a foreign rule does to objects of the repository.
func (c *findings) action(r storage.LifecycleRule, a storage.LifecycleAction) (Level, string) {
	root := c.Settings.Root
	onlyLocks := strings.HasPrefix(r.Prefix, root+"locks/")
	switch a.Kind {
	case storage.Expire:
		if onlyLocks && a.After >= day {
			return Good, ""
		}
		return Danger, "it deletes objects by their age, and old objects hold what new snapshots need: the repository WILL lose data"
	case storage.Transition:
		switch {
		case r.MarkedOnly:
			return Notice, "it moves packs of file content, as the tier `cold` in holdfast.yaml does"
		case c.frozen(a.Class):
			return Danger, "it moves index files, snapshots and folders to a class that cannot be read: the repository will no longer open"
		default:
			return Warning, "it moves index files, snapshots and folders too, which every command reads, and reading from there costs extra"
		}
	case storage.ExpireNoncurrent:
		if want := c.Wishes.keepDeleted(); a.After < want && !onlyLocks {
			return Warning, fmt.Sprintf("what is deleted can be brought back for %s, not for %s", period(a.After), period(want))
		}
	case storage.TransitionNoncurrent, storage.ExpireMarkers:
	case storage.AbortUploads:
		if a.After < day {
			return Warning, "uploads that are still going on are broken off"
		}
	}
	return Good, ""
}

func (c *findings) frozen(class string) bool { return c.Frozen != nil && c.Frozen(class) }

// overlap tells whether a rule for one prefix is for objects below another.
func overlap(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }

func firstLine(s string) string {
	const enough = 200
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s[:min(len(s), enough)]
}

// unread tells of the settings that could not be read.
func (c *findings) unread() {
	for _, s := range slices.Sorted(maps.Keys(c.Settings.Unread)) {
		c.add(Warning, string(s), "it could not be read, so nobody knows what it does: "+c.Settings.Unread[s].Error(), "check with credentials that may read it (`holdfast storage policy`)")
	}
}

// ownRules tells of settings that are not as wished.
func (c *findings) ownRules() {
	if c.Settings.Unread[storage.SettingLifecycle] != nil {
		return
	}
	for _, s := range PlanFor(&c.Settings, c.Wishes).Steps {
		if s.Change && strings.HasPrefix(s.Setting, "rule ") {
			c.add(Notice, s.Setting, "it is "+s.Now+", and should be "+s.Then, applyFix)
		}
	}
}
