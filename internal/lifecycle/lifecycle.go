// Package lifecycle sets what a bucket does to the objects of a repository by
// itself, and finds what it must not do.
//
// A repository is deduplicated: an object of last year may hold what today's
// snapshot needs, and its age says nothing about its use. So the only rules
// that holdfast sets act on what is no longer current, on uploads that were
// never finished, and on packs of file content, which are marked and may get
// cold but never expire. Whatever else acts on the objects is a danger, and
// Check says so.
//
// Setting up is Plan, then show, then Execute, which reads the settings back.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"holdfast/storage"
)

// Wishes are what a repository asks of its bucket.
type Wishes struct {
	// Immutable is how long new objects are locked; zero: not at all.
	Immutable storage.DefaultRetention
	// Cold moves packs of file content; the zero value leaves them where they
	// are.
	Cold Cold
	// KeepDeleted is how long what was deleted or replaced can be brought back;
	// see DefaultKeepDeleted.
	KeepDeleted time.Duration
	// SoftDelete asks for soft delete in place of versions, which the service
	// lets nobody turn on by the credentials of its data (Azure).
	SoftDelete bool
	// Archives, unless it is zero, is how long archives stay in a place that
	// holds nothing else. Then nothing above counts but KeepDeleted.
	Archives time.Duration
	// NoUploads and NoMarkers say that the service has no unfinished uploads,
	// or no delete markers, that a rule could remove.
	NoUploads, NoMarkers bool
}

// Cold says when packs of file content move to which class.
type Cold struct {
	After time.Duration
	Class string
}

const (
	day = 24 * time.Hour
	// DefaultKeepDeleted is how long what was deleted can be brought back: an
	// attack is noticed within weeks, not within days.
	DefaultKeepDeleted = 30 * day
	// abortAfter is the age of an unfinished upload that nobody goes on with.
	// holdfast's own last minutes.
	abortAfter = 7 * day
	// keepLocks is how long versions of locks stay: they come and go by the
	// minute, and nobody wants them back.
	keepLocks = day
)

// Step is one line of a plan: what a setting is and what it will be.
type Step struct {
	Setting string `json:"setting"`
	Now     string `json:"now"`
	Then    string `json:"then"`
	// Change tells that the two differ.
	Change bool `json:"change"`
}

// Plan says what will be set.
type Plan struct {
	Steps   []Step
	Changes storage.SettingChanges
}

// NothingToDo tells whether all is as wished.
func (p *Plan) NothingToDo() bool {
	return !slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Change })
}

// PlanFor finds out what has to be set for some wishes.
func PlanFor(s *storage.Settings, w Wishes) *Plan {
	p := &Plan{}
	switch {
	case w.Archives > 0:
		p.rules(s, archiveRules(s, w))
		return p
	case w.SoftDelete:
		p.softDelete(s, w)
	default:
		p.versioning(s)
	}
	p.rules(s, Rules(s.Root, w))
	return p
}

func (p *Plan) add(setting, now, then string) bool {
	p.Steps = append(p.Steps, Step{setting, now, then, now != then})
	return now != then
}

func (p *Plan) versioning(s *storage.Settings) {
	now := string(s.Versioning)
	if s.Versioning == storage.Unknown {
		now = "unknown"
	}
	p.Changes.Versioning = p.add("versioning", now, string(storage.On))
}

func (p *Plan) softDelete(s *storage.Settings, w Wishes) {
	then := max(s.SoftDelete, w.keepDeleted())
	if p.add("soft delete", period(s.SoftDelete), period(then)) {
		p.Changes.SoftDelete = then
	}
}

// rules compares the own rules with those there should be.
func (p *Plan) rules(s *storage.Settings, want []storage.LifecycleRule) {
	var own []storage.LifecycleRule
	for _, r := range s.Rules {
		if r.Own {
			own = append(own, r)
		}
	}
	for _, w := range want {
		now := "none"
		for n, r := range own {
			if sameRule(r, w) {
				now = describe(w)
				own = slices.Delete(own, n, n+1)
				break
			}
		}
		p.Changes.SetRules = p.add("rule "+w.ID, now, describe(w)) || p.Changes.SetRules
	}
	for _, r := range own { // rules of earlier wishes
		p.Changes.SetRules = p.add("rule "+r.ID, describe(r), "none") || p.Changes.SetRules
	}
	if p.Changes.SetRules {
		p.Changes.Rules = want
	}
}

// sameRule tells whether two rules do the same.
func sameRule(a, b storage.LifecycleRule) bool {
	return a.Enabled == b.Enabled && a.Prefix == b.Prefix && a.MarkedOnly == b.MarkedOnly &&
		len(a.Conditions) == len(b.Conditions) && len(a.Unknown) == len(b.Unknown) && reflect.DeepEqual(sorted(a.Actions), sorted(b.Actions))
}

func sorted(actions []storage.LifecycleAction) []storage.LifecycleAction {
	return slices.SortedFunc(slices.Values(actions), func(a, b storage.LifecycleAction) int {
		switch {
		case a.Kind < b.Kind:
			return -1
		case a.Kind > b.Kind:
			return 1
		}
		return 0
	})
}

// uploadsRule ends unfinished uploads.
const uploadsRule = "uploads"

// Rules returns the rules that holdfast sets for a repository below root.
func Rules(root string, w Wishes) []storage.LifecycleRule {
	var rules []storage.LifecycleRule
	if !w.NoUploads {
		rules = append(rules, endUploads(root))
	}
	if !w.SoftDelete {
		rules = append(rules, storage.LifecycleRule{
			ID: "deleted", Enabled: true, Prefix: root, Actions: w.deletedActions(),
		}, storage.LifecycleRule{ID: "locks", Enabled: true, Prefix: root + "locks/", Actions: []storage.LifecycleAction{
			{Kind: storage.ExpireNoncurrent, After: keepLocks},
		}})
	}
	if w.Cold.Class != "" {
		rules = append(rules, storage.LifecycleRule{ID: "cold-data", Enabled: true, Prefix: root + "data/", MarkedOnly: true, Actions: []storage.LifecycleAction{
			{Kind: storage.Transition, After: w.Cold.After, Class: w.Cold.Class},
		}})
	}
	return rules
}

func endUploads(root string) storage.LifecycleRule {
	return storage.LifecycleRule{ID: uploadsRule, Enabled: true, Prefix: root, Actions: []storage.LifecycleAction{
		{Kind: storage.AbortUploads, After: abortAfter},
	}}
}

// deletedActions clear away what was deleted long enough ago.
func (w Wishes) deletedActions() []storage.LifecycleAction {
	actions := []storage.LifecycleAction{{Kind: storage.ExpireNoncurrent, After: w.keepDeleted()}}
	if !w.NoMarkers {
		actions = append(actions, storage.LifecycleAction{Kind: storage.ExpireMarkers})
	}
	return actions
}

// keepDeleted is never shorter than the lock: a version that outlives it is
// what a restore as of an earlier instant reads.
func (w Wishes) keepDeleted() time.Duration {
	keep := w.KeepDeleted
	if keep == 0 {
		keep = DefaultKeepDeleted
	}
	return max(keep, w.Immutable.For).Round(day)
}

// Execute sets what the plan says and reads the settings back. The error names
// whatever the service does not keep; the notes tell of what it lacks and can
// be done without.
func (p *Plan) Execute(ctx context.Context, m storage.Managed, w Wishes) (notes []string, err error) {
	if p.NothingToDo() {
		return nil, nil
	}
	failed := m.Apply(ctx, p.Changes)
	if failed != nil && ctx.Err() != nil {
		return nil, failed
	}
	now, err := m.Settings(ctx)
	if err != nil {
		return nil, errors.Join(failed, fmt.Errorf("read the settings back: %w", err))
	}
	var ignored []error
	for _, s := range PlanFor(&now, w).Steps {
		switch {
		case !s.Change:
		case s.Setting == "rule "+uploadsRule && errors.Is(failed, storage.ErrUnsupported):
			notes = append(notes, "the service has no rule that ends unfinished uploads; most such services end them by themselves")
		default:
			ignored = append(ignored, fmt.Errorf("%s: the service has %s, not %s", s.Setting, s.Now, s.Then))
		}
	}
	if len(ignored) == 0 && len(notes) > 0 {
		return notes, nil // all that failed is what the notes tell
	}
	return notes, errors.Join(failed, errors.Join(ignored...))
}

// describe says what a rule does, in words.
func describe(r storage.LifecycleRule) string {
	text := ""
	for n, a := range r.Actions {
		if n > 0 {
			text += ", "
		}
		text += describeAction(a)
	}
	for _, u := range r.Unknown {
		text += ", something unknown: " + u
	}
	text = strings.TrimPrefix(text, ", ")
	if text == "" {
		text = "something unknown"
	}
	if r.MarkedOnly {
		text += ", of marked objects only"
	}
	if r.Prefix != "" {
		text += ", below " + r.Prefix
	}
	for _, c := range r.Conditions {
		text += ", if " + c
	}
	if !r.Enabled {
		text += " (off)"
	}
	return text
}

func describeAction(a storage.LifecycleAction) string {
	text := string(a.Kind)
	switch a.Kind {
	case storage.Transition, storage.TransitionNoncurrent:
		text += " to " + a.Class
	case storage.Expire, storage.ExpireNoncurrent, storage.ExpireMarkers, storage.AbortUploads:
	}
	switch {
	case !a.At.IsZero():
		text += " on " + a.At.Format(time.DateOnly)
	case a.Kind != storage.ExpireMarkers:
		text += " after " + period(a.After)
	}
	if a.Versions > 0 {
		text += fmt.Sprintf(" but for the newest %d", a.Versions)
	}
	return text
}

// period writes a length of time in days.
func period(d time.Duration) string {
	if d == 0 {
		return "0 days"
	}
	if d == day {
		return "1 day"
	}
	return fmt.Sprintf("%d days", int(d/day))
}
