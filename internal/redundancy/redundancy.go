// Package redundancy judges whether data would survive: three copies, on two
// media, one of them off-site, one that nobody can change, and zero errors. It
// is a pure rule: what is known of the copies of a plan and the time go in, a
// score with what is missing and what to do about it comes out.
//
// How each number is counted, strictly, because a comfortable score helps
// nobody:
//
//   - 3 copies: the source itself, and each repository that holds the newest
//     recovery point of every source of the plan. One that lags behind, that
//     cannot be listed now, that lacks what its newest snapshot needs, or in
//     which a check found errors that are not mended, does not count.
//   - 2 media: the kinds of media of these repositories. The medium of the
//     source does not count, for it is gone when they are needed; nor does a
//     medium that nobody named.
//   - 1 off-site: how many sites there are among them beside that of the
//     repository that backups go to first, which is taken for the source's. A
//     site that nobody named does not count.
//   - 1 immutable: these repositories whose sampled objects are locked now,
//     in governance or compliance mode; only the second binds everybody.
//   - disk, which has no number: one of these repositories at least lies on
//     another disk than what it protects.
//   - 0 errors: the repositories of the plan that cannot be listed, were never
//     read back, not lately, or not without error since.
package redundancy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// FreshFor is how long a read-back counts: a month and a few days, so that a
// monthly one never lapses.
const FreshFor = 35 * 24 * time.Hour

// Facts are what is known of the copies of one plan.
type Facts struct {
	// Plan is its name, "" for a repository without one.
	Plan string
	// Now is when the facts were gathered.
	Now time.Time
	// Copies are its repositories, the one that backups go to first.
	Copies []Copy
}

// Copy is what is known of one repository of a plan.
type Copy struct {
	// Name is that of holdfast.yaml, or else the place.
	Name string
	// Media and Site are "" where nobody named them.
	Media, Site string
	// Down tells why it cannot be listed now, "" if it can; the other facts
	// are then those of an earlier time, Seen, or nothing.
	Down string
	Seen time.Time
	// Lost tells what its newest snapshot needs and is not there, "" for nothing
	// that was looked for.
	Lost string
	// Points holds the time of the newest recovery point of each source.
	Points map[string]time.Time
	// Protected is until when the objects looked at are locked, zero for not
	// at all; Mode is in which way, "governance" or "compliance".
	Protected time.Time
	Mode      string
	// LastGood is when data was last read back without error, and Share how
	// much of it, from 0 to 1. LastBad is when something was last found wrong.
	LastGood time.Time
	Share    float64
	LastBad  time.Time
	// TestFailed tells that LastBad is a restore test.
	TestFailed bool
	// SameDisk tells that it lies on the disk of something that it protects.
	SameDisk bool
}

// Score says how a plan stands.
type Score struct {
	// Copies, Media, OffSite, Immutable and Errors are the five numbers.
	Copies, Media, OffSite, Immutable, Errors int
	// Newest is the newest recovery point that any copy holds of the source
	// that is worst off; zero for none.
	Newest time.Time
	// Holds tells, for each copy, whether it holds the newest recovery points;
	// Behind how far its worst source lags, if it holds any point of it.
	Holds  []bool
	Behind []time.Duration
	// Missing is what falls short, in the order of the numbers.
	Missing []Missing

	// counts tells, for each copy, whether it holds the newest recovery points and
	// nothing is known to be wrong with it.
	counts []bool
}

// Missing is one thing that falls short, and the next step.
type Missing struct {
	// Rule is "copies", "disk", "media", "off-site", "immutable" or "errors".
	Rule string `json:"rule"`
	What string `json:"what"`
	Next string `json:"next"`
}

// String gives the numbers as they are usually written.
func (s *Score) String() string {
	return fmt.Sprintf("%d-%d-%d-%d-%d", s.Copies, s.Media, s.OffSite, s.Immutable, s.Errors)
}

// Met tells whether nothing is missing.
func (s *Score) Met() bool { return len(s.Missing) == 0 }

// Judge scores the copies of a plan.
func Judge(f Facts) *Score {
	s := &Score{}
	newest := newestPoints(f.Copies)
	for _, t := range newest {
		if s.Newest.IsZero() || t.Before(s.Newest) {
			s.Newest = t
		}
	}
	var holders []Copy
	for n := range f.Copies {
		c := &f.Copies[n]
		holds, behind := c.compare(newest)
		counts := holds && !c.isDamaged()
		s.Holds, s.Behind, s.counts = append(s.Holds, holds), append(s.Behind, behind), append(s.counts, counts)
		if counts {
			holders = append(holders, *c)
		}
	}
	s.judgeCopies(&f, len(holders))
	s.judgeDisk(&f, holders)
	s.judgeMedia(&f, holders)
	s.judgeSites(&f, holders)
	s.judgeProtection(&f, holders)
	s.judgeErrors(&f)
	return s
}

// newestPoints returns the newest point of each source that any copy has. What
// is only remembered of a copy that is down counts as well: then the others
// lag behind.
func newestPoints(copies []Copy) map[string]time.Time {
	newest := make(map[string]time.Time)
	for n := range copies {
		for source, t := range copies[n].Points {
			if t.After(newest[source]) {
				newest[source] = t
			}
		}
	}
	return newest
}

// compare tells whether a copy is known to hold the newest points now, and
// how far it lags.
func (c *Copy) compare(newest map[string]time.Time) (holds bool, behind time.Duration) {
	holds = c.Down == "" && c.Lost == "" && len(newest) > 0
	for source, t := range newest {
		has, ok := c.Points[source]
		if !ok || has.Before(t) {
			holds = false
		}
		if ok {
			behind = max(behind, t.Sub(has))
		}
	}
	return holds, behind
}

// isDamaged tells whether errors were found that are not mended. Those of a
// restore test may be of what it restored to.
func (c *Copy) isDamaged() bool {
	return !c.TestFailed && !c.LastBad.IsZero() && !c.LastGood.After(c.LastBad)
}

func (s *Score) miss(rule, next, what string, args ...any) {
	s.Missing = append(s.Missing, Missing{Rule: rule, What: fmt.Sprintf(what, args...), Next: next})
}

func (s *Score) judgeCopies(f *Facts, holders int) {
	s.Copies = 1 + holders
	if len(f.Copies) > 0 && s.Newest.IsZero() {
		s.miss("copies", "holdfast backup, or holdfast protect", "there is no snapshot yet")
		return
	}
	if s.Copies >= 3 {
		return
	}
	var behind, lost []string
	for n, counts := range s.counts {
		switch c := &f.Copies[n]; {
		case counts, c.Down != "":
		case c.Lost != "", s.Holds[n]:
			lost = append(lost, c.Name)
		default:
			behind = append(behind, c.Name)
		}
	}
	switch {
	case len(lost) > 0:
		s.miss("copies", heal(lost[0]), "%s: not whole, or errors were found", strings.Join(lost, ", "))
	case len(behind) > 0 && f.Plan != "":
		s.miss("copies", "holdfast copy --plan "+f.Plan, "%s: not the newest recovery point", strings.Join(behind, ", "))
	case len(behind) > 0:
		s.miss("copies", "holdfast copy --to "+behind[0], "%s: not the newest recovery point", strings.Join(behind, ", "))
	case len(f.Copies) < 2:
		s.miss("copies", addCopy(f.Plan, ""), "the source and one repository are %d copies of 3", s.Copies)
	default:
		s.miss("copies", "see to it that the places can be reached", "with what can be listed there are %d copies of 3, the source included", s.Copies)
	}
}

// heal says how a copy gets back what it lost.
func heal(name string) string { return "holdfast repair -r " + name + " --from another copy" }

// addCopy says how to get another copy, and where.
func addCopy(plan, where string) string {
	if plan == "" {
		return "`holdfast init` of a second repository" + where + ", then `holdfast copy` --to it"
	}
	return "add a repository" + where + " to holdfast.yaml and to `copies` of plan " + plan + ", then `holdfast copy --plan " + plan + "`"
}

// later tells that a number falls short only because of copies that lag or are
// down, among which it would be met; and says so, unless that is told already.
func (s *Score) later(f *Facts, rule string, met bool) bool {
	if !met {
		return false
	}
	for _, m := range s.Missing {
		if m.Rule == "copies" {
			return true
		}
	}
	var names []string
	for n, counts := range s.counts {
		if !counts {
			names = append(names, f.Copies[n].Name)
		}
	}
	s.miss(rule, "holdfast copy --plan "+f.Plan, "not without %s, where the newest recovery point is not known to be whole", strings.Join(names, ", "))
	return true
}

// judgeDisk says so if losing one disk loses everything: copies on it count as
// copies, but not for that day.
func (s *Score) judgeDisk(f *Facts, holders []Copy) {
	elsewhere := func(c Copy) bool { return !c.SameDisk }
	if len(holders) == 0 || slices.ContainsFunc(holders, elsewhere) || s.later(f, "disk", slices.ContainsFunc(f.Copies, elsewhere)) {
		return
	}
	s.miss("disk", addCopy(f.Plan, " on another disk"), "%s lies on the disk of what it protects: losing that disk loses both", holders[0].Name)
}

func (s *Score) judgeMedia(f *Facts, holders []Copy) {
	medium := func(c *Copy) string { return c.Media }
	kinds, unnamed := distinct(holders, medium)
	s.Media = kinds
	all, _ := distinct(f.Copies, medium)
	switch {
	case s.Media >= 2, s.later(f, "media", all >= 2):
	case len(unnamed) > 0:
		s.miss("media", "write `media: disk`, `object` or the like into holdfast.yaml", "nobody named the medium of %s", strings.Join(unnamed, ", "))
	default:
		s.miss("media", "keep a copy on another kind of medium: object storage, another machine's disk, tape", "the repositories that hold the newest recovery point lie on one kind of medium")
	}
}

func (s *Score) judgeSites(f *Facts, holders []Copy) {
	home := ""
	if len(f.Copies) > 0 {
		home = f.Copies[0].Site
	}
	elsewhere := func(c *Copy) string {
		if c.Site == home {
			return ""
		}
		return c.Site
	}
	all := 0
	if home != "" {
		s.OffSite, _ = distinct(holders, elsewhere)
		all, _ = distinct(f.Copies, elsewhere)
	}
	_, unnamed := distinct(f.Copies, func(c *Copy) string { return c.Site })
	switch {
	case s.OffSite >= 1, s.later(f, "off-site", all >= 1):
	case len(unnamed) > 0:
		s.miss("off-site", "write `site:` of each repository into holdfast.yaml", "nobody named the site of %s", strings.Join(unnamed, ", "))
	default:
		s.miss("off-site", "keep a copy at another site", "no repository that holds the newest recovery point is at another site than %s", home)
	}
}

// distinct counts the different values of a property, and names the copies
// that have none.
func distinct(copies []Copy, of func(*Copy) string) (n int, unnamed []string) {
	seen := make(map[string]struct{})
	for k := range copies {
		if v := of(&copies[k]); v != "" {
			seen[v] = struct{}{}
		} else {
			unnamed = append(unnamed, copies[k].Name)
		}
	}
	return len(seen), unnamed
}

func (s *Score) judgeProtection(f *Facts, holders []Copy) {
	protected := func(copies []Copy) (n int) {
		for k := range copies {
			if copies[k].Protected.After(f.Now) {
				n++
			}
		}
		return n
	}
	s.Immutable = protected(holders)
	if s.Immutable == 0 && !s.later(f, "immutable", protected(f.Copies) > 0) {
		s.miss("immutable", "add `immutable:` to a repository in a bucket with object lock; `holdfast storage plan` shows what it takes",
			"every copy can be deleted by whoever has its credentials")
	}
}

func (s *Score) judgeErrors(f *Facts) {
	for n := range f.Copies {
		c := &f.Copies[n]
		check := "holdfast check --read-data -r " + c.Name
		what, next := "", check
		switch {
		case c.Down != "" && c.Seen.IsZero():
			what, next = "cannot be listed: "+c.Down, "see to it that the place can be reached"
		case c.Down != "":
			what, next = "cannot be listed: "+c.Down+"; last listed "+ago(f.Now, c.Seen), "see to it that the place can be reached"
		case c.Lost != "":
			what, next = "has lost something: "+c.Lost, heal(c.Name)
		case c.TestFailed && !c.LastGood.After(c.LastBad):
			what = "had a restore test that failed " + ago(f.Now, c.LastBad)
			next = "see what was wrong with holdfast evidence list --failed -r " + c.Name + ", mend it, and test again"
		case c.isDamaged():
			what, next = "errors were found "+ago(f.Now, c.LastBad), check+", then holdfast repair --from another copy"
		case c.LastGood.IsZero():
			what = "was never read back"
		case f.Now.Sub(c.LastGood) > FreshFor:
			what = "was last read back without error " + ago(f.Now, c.LastGood)
		default:
			continue
		}
		s.Errors++
		s.miss("errors", next, "%s %s", c.Name, what)
	}
}

// ago says how long ago something was, in the largest unit that fits.
func ago(now, t time.Time) string {
	d := max(0, now.Sub(t))
	switch {
	case d < time.Hour:
		return fmt.Sprintf("%d minutes ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}
