// Package anomaly judges whether a backup is so unlike those before it that
// somebody must look before anything old is removed: files encrypted or
// deleted on purpose or by mistake, a table emptied. It is a pure rule: figures
// of backups go in, a verdict with its reasons comes out.
//
// How it decides, and why:
//
//   - A figure is unusual when it is further from the median of the runs
//     before than Deviations times their median absolute deviation, and
//     beyond all of them by a margin. Both are robust: one odd run among those
//     before changes little, and what comes back every week, such as an
//     import on Sundays, has been there before.
//   - A figure must also be large: a change of a tenth at least. What is small
//     is not worth waking anybody.
//   - Signals unusual at once, two by default, make an anomaly, and one of
//     them must be a loss: content that changed, went or shrank. New bytes
//     count as far as they are more than the growth, for they stand in the
//     place of others: data that only grows, however much and however
//     incompressible, is no anomaly.
//   - What happens in the midst of a backup shows in two: a table that is emptied
//     after its rows were counted takes its bytes from one run and its rows from
//     the next. The losses of two runs in a row count together where they differ:
//     one that comes twice is two losses of one kind, as on two busy days.
//   - Too few earlier runs (MinRuns) judge nothing. Runs that were anomalous
//     themselves are not compared with until somebody accepted them.
package anomaly

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// MinRuns is how many earlier runs there must be.
	MinRuns = 5

	// margin is how far beyond all earlier runs an unusual figure is: by a
	// quarter, or by half of what is left up to all.
	margin = 1.25
	// scale makes a median absolute deviation comparable with a standard
	// deviation; leastSpread stands in for that of runs which are all alike.
	scale       = 1.4826
	leastSpread = 0.01
	// enoughBytes is how much must have been added for its compression to say
	// anything.
	enoughBytes = 1 << 20
)

// Run is what is known of one backup.
type Run struct {
	Time     time.Time
	Snapshot string
	// Files counts those of the snapshot; New and Changed those that are not
	// as in the one before.
	Files, New, Changed uint64
	// Bytes is what the files hold. Added was new to the repository, and
	// Stored is what that takes after compression.
	Bytes, Added, Stored uint64
	// Rows counts those of all tables of a database, where they were counted.
	Rows uint64
	// Whole is a backup that trusted no earlier one: which files are new, or
	// changed, it cannot tell.
	Whole bool
	// Suspect is one that was found to be anomalous, and not accepted since.
	Suspect bool
}

// Settings are those of `anomaly:` in holdfast.yaml.
type Settings struct {
	// Runs is how many earlier runs are compared with.
	Runs int
	// Deviations is how far from the median is unusual.
	Deviations float64
	// Signals is how many must be unusual at once.
	Signals int
}

// Defaults are the settings of a plan that names none.
func Defaults() Settings { return Settings{Runs: 30, Deviations: 6, Signals: 2} }

// Signal is one figure that is unusual.
type Signal struct {
	// Name is "changed", "deleted", "shrunk", "rows", "added" or
	// "incompressible".
	Name string `json:"name"`
	// Value is the share, from 0 to 1; Usual is the median before.
	Value float64 `json:"value"`
	Usual float64 `json:"usual"`
	// Loss tells that content went or was changed.
	Loss bool `json:"loss"`
}

// String says it for people.
func (s Signal) String() string {
	return fmt.Sprintf("%s %.0f %% (usually %.0f %%)", phrases[s.Name], 100*s.Value, 100*s.Usual)
}

// Verdict is what was found.
type Verdict struct {
	// Signals are the unusual figures; alone they mean little.
	Signals []Signal
	// Anomalous tells that there are enough.
	Anomalous bool
	// LastGood is the newest earlier snapshot that is not suspect.
	LastGood string
}

// Reason is one line for people.
func (v *Verdict) Reason() string {
	words := make([]string, len(v.Signals))
	for i, s := range v.Signals {
		words[i] = s.String()
	}
	return strings.Join(words, ", ")
}

// figure is a share computed from a run and the one before it. ok is false
// where it says nothing.
type figure struct {
	name string
	loss bool
	// least is the smallest share that is worth a signal.
	least float64
	share func(before, r *Run) (share float64, ok bool)
}

func figures() []figure {
	return []figure{
		{"changed", true, 0.10, func(before, r *Run) (float64, bool) {
			share, ok := ratio(r.Changed, before.Files)
			return share, ok && !r.Whole
		}},
		{"deleted", true, 0.10, func(before, r *Run) (float64, bool) {
			share, ok := ratio(deleted(before, r), before.Files)
			return share, ok && !r.Whole
		}},
		{"shrunk", true, 0.10, func(before, r *Run) (float64, bool) { return ratio(less(before.Bytes, r.Bytes), before.Bytes) }},
		{"rows", true, 0.20, func(before, r *Run) (float64, bool) { return ratio(less(before.Rows, r.Rows), before.Rows) }},
		{"added", true, 0.10, func(before, r *Run) (float64, bool) {
			return ratio(less(r.Added, less(r.Bytes, before.Bytes)), before.Bytes)
		}},
		{"incompressible", false, 0.85, func(_, r *Run) (float64, bool) {
			share, _ := ratio(r.Stored, r.Added)
			return share, r.Added >= enoughBytes
		}},
	}
}

var phrases = map[string]string{
	"changed":        "files changed:",
	"deleted":        "files gone:",
	"shrunk":         "bytes gone:",
	"rows":           "rows gone:",
	"added":          "bytes replaced:",
	"incompressible": "new bytes stay after compression:",
}

// ratio returns a share of at most 1.
func ratio(part, whole uint64) (float64, bool) {
	if whole == 0 {
		return 0, false
	}
	return min(1, float64(part)/float64(whole)), true
}

func less(before, now uint64) uint64 {
	if now >= before {
		return 0
	}
	return before - now
}

// deleted counts files that were there before: what is neither new nor one
// that stayed.
func deleted(before, r *Run) uint64 { return less(before.Files, r.Files-min(r.Files, r.New)) }

// Judge compares a run with those before it, oldest first.
func Judge(before []Run, r Run, set Settings) *Verdict {
	v := &Verdict{LastGood: lastGood(before)}
	known := baseline(before, set.Runs)
	if len(known) < MinRuns {
		return v
	}
	v.Signals = unusual(known, &r, set)
	if v.Anomalous = set.enough(v.Signals); v.Anomalous || !slices.ContainsFunc(v.Signals, isLoss) {
		return v
	}
	earlier, last := known[:len(known)-1], known[len(known)-1]
	if len(earlier) < MinRuns {
		return v
	}
	half := slices.DeleteFunc(unusual(earlier, &last, set), func(s Signal) bool {
		return !s.Loss || slices.ContainsFunc(v.Signals, func(other Signal) bool { return other.Name == s.Name })
	})
	if both := append(half, v.Signals...); len(half) > 0 && set.enough(both) {
		v.Signals, v.Anomalous, v.LastGood = both, true, lastGood(earlier)
	}
	return v
}

// unusual returns the figures of a run that are.
func unusual(before []Run, r *Run, set Settings) (signals []Signal) {
	for _, f := range figures() {
		if s, ok := f.judge(before, r, set.Deviations); ok {
			signals = append(signals, s)
		}
	}
	return signals
}

// enough tells whether signals make an anomaly.
func (set Settings) enough(signals []Signal) bool {
	return len(signals) >= set.Signals && slices.ContainsFunc(signals, isLoss)
}

func isLoss(s Signal) bool { return s.Loss }

// baseline returns the newest runs that may be compared with, at most limit
// and the one before them.
func baseline(before []Run, limit int) []Run {
	good := make([]Run, 0, len(before))
	for _, r := range before {
		if !r.Suspect {
			good = append(good, r)
		}
	}
	return good[max(0, len(good)-limit-1):]
}

func lastGood(before []Run) string {
	for _, r := range slices.Backward(before) {
		if !r.Suspect {
			return r.Snapshot
		}
	}
	return ""
}

// judge compares one figure of a run with that of the runs before.
func (f *figure) judge(before []Run, r *Run, deviations float64) (Signal, bool) {
	var shares []float64
	last := &Run{} // of which nothing is a share
	for i := range before {
		if s, ok := f.share(last, &before[i]); ok {
			shares = append(shares, s)
		}
		last = &before[i]
	}
	share, ok := f.share(last, r)
	// Of compression there may be fewer: most runs add little.
	if !ok || share < f.least || len(shares) < MinRuns-1 && f.loss || len(shares) == 0 {
		return Signal{}, false
	}
	middle := median(shares)
	spread := max(leastSpread, scale*median(distances(shares, middle)))
	most := slices.Max(shares)
	unusual := share > middle+deviations*spread && share > min(margin*most, (1+most)/2)
	return Signal{f.name, share, middle, f.loss}, unusual
}

func distances(values []float64, from float64) []float64 {
	all := make([]float64, len(values))
	for i, v := range values {
		all[i] = max(v-from, from-v)
	}
	return all
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}
