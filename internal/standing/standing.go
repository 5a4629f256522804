// Package standing says in one word, and one sentence, whether what a plan
// protects is safe. It is a pure rule over what was measured: the objectives,
// the copies and the restore tests.
//
//   - Unsafe: something cannot be restored now, or a promise is broken.
//   - AtRisk: a promise is nearly broken, it was not proven lately that a
//     restore works, errors were found or nobody looked for them, a copy lags
//     behind or cannot be reached, nobody can say where a log ends, or one disk
//     has everything.
//   - Safe: none of these. What else 3-2-1-1-0 asks for may be missing; it is
//     named.
package standing

import (
	"fmt"
	"strings"
	"time"

	"holdfast/internal/objective"
)

// Verdict is how a plan stands.
type Verdict string

// The verdicts.
const (
	Safe    Verdict = "safe"
	AtRisk  Verdict = "at-risk"
	Unsafe  Verdict = "unsafe"
	Unknown Verdict = "unknown"
)

// ProofFor is how long a restore test that passed proves anything: a month and
// a few days, so that a monthly one never lapses.
const ProofFor = 35 * 24 * time.Hour

// Facts are what is known of one plan.
type Facts struct {
	// Now is the time, Surveyed when it was last looked, zero for never.
	Now, Surveyed time.Time
	// Newest is the newest recovery point of the source that is worst off.
	Newest   time.Time
	RPO, RTO objective.Standing
	Copies   []Copy
	// Proven is the newest restore test that passed, Tested the newest at all,
	// and Failed why that one did not.
	Proven, Tested time.Time
	Failed         string
	// Lacks are the rules of 3-2-1-1-0 that are not met, and "log" if newer log
	// of a database may be lost without anybody noticing.
	Lacks []string
}

// Copy is a repository of the plan.
type Copy struct {
	Name string
	// Down tells why it cannot be reached, "" if it can.
	Down string
	// HoldsNewest says that it has the newest recovery points, Behind how far
	// it lags else, if that is known.
	HoldsNewest bool
	Behind      time.Duration
}

// Judge returns the verdict, and why.
func Judge(f Facts) (v Verdict, why string) {
	if f.Surveyed.IsZero() {
		return Unknown, "It was not looked yet how this plan stands."
	}
	if why := f.unsafe(); why != "" {
		return Unsafe, why
	}
	if why := f.atRisk(); why != "" {
		return AtRisk, why
	}
	why = fmt.Sprintf("A restore was proven %s ago, and the newest point to restore to is %s old", age(f.Now.Sub(f.Proven)), age(f.Now.Sub(f.Newest)))
	if len(f.Lacks) > 0 {
		return Safe, why + "; 3-2-1-1-0 still lacks: " + strings.Join(f.Lacks, ", ") + "."
	}
	return Safe, why + "."
}

// unsafe tells why the plan is unsafe, "" if it is not.
func (f *Facts) unsafe() string {
	switch {
	case f.Newest.IsZero():
		return "Nothing can be restored: there is no backup yet."
	case f.RPO.State == objective.Unknown:
		return sentence(f.RPO.Reason)
	case f.RPO.State == objective.Breached:
		return fmt.Sprintf("The work of %s would be lost, and at most %s is promised.", age(f.RPO.Value), age(f.RPO.Promised))
	case f.RTO.State == objective.Breached:
		return fmt.Sprintf("A restore takes %s, and at most %s is promised.", age(f.RTO.Value), age(f.RTO.Promised))
	}
	return ""
}

// atRisk tells why the plan is at risk, "" if it is not.
func (f *Facts) atRisk() string {
	switch {
	case f.Failed != "":
		return "The last restore test failed: " + sentence(f.Failed)
	case f.RPO.State == objective.Near:
		return fmt.Sprintf("The work of %s would be lost, and the promise of at most %s is nearly broken.", age(f.RPO.Value), age(f.RPO.Promised))
	case f.RTO.State == objective.Near:
		return fmt.Sprintf("A restore takes %s, and the promise of at most %s is nearly broken.", age(f.RTO.Value), age(f.RTO.Promised))
	case f.Proven.IsZero():
		return "It was never proven that a restore works."
	case f.Now.Sub(f.Proven) > ProofFor:
		return fmt.Sprintf("It was last proven %s ago that a restore works.", age(f.Now.Sub(f.Proven)))
	}
	for _, c := range f.Copies {
		switch {
		case c.Down != "":
			return fmt.Sprintf("Repository %s cannot be reached: %s", c.Name, sentence(c.Down))
		case !c.HoldsNewest && c.Behind > 0:
			return fmt.Sprintf("Repository %s is %s behind.", c.Name, age(c.Behind))
		case !c.HoldsNewest:
			return fmt.Sprintf("Repository %s lacks the newest point to restore to.", c.Name)
		}
	}
	for _, rule := range f.Lacks {
		switch rule {
		case "errors":
			return "Errors were found in a repository, or it was not read back lately."
		case "log":
			return "Newer log of a database may be lost without anybody noticing: a mark of where it ends is damaged."
		case "disk":
			return "Losing one disk would lose both what is protected and its backups."
		}
	}
	return ""
}

// sentence ends a text as one.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return "the reason is not known."
	}
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}

// age is a time as people say it.
func age(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return count(int(d.Seconds()), "second")
	case d < 2*time.Hour:
		return count(int(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return count(int(d.Hours()), "hour")
	}
	return count(int(d.Hours()/24), "day")
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}
