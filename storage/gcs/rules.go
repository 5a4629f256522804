package gcs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/storage"
	"holdfast/storage/internal/cloud"
)

// rule is a lifecycle rule as the service writes it. Each has one action.
type rule struct {
	Action    ruleAction     `json:"action"`
	Condition map[string]any `json:"condition"`
}

type ruleAction struct {
	Type         string `json:"type"`
	StorageClass string `json:"storageClass,omitempty"`
}

const (
	deletes    = "Delete"
	moves      = "SetStorageClass"
	abandons   = "AbortIncompleteMultipartUpload"
	dateLayout = time.DateOnly
)

// replaceRules returns the rules there are, with the own ones replaced.
func (s *Store) replaceRules(now []json.RawMessage, own []storage.LifecycleRule) ([]json.RawMessage, error) {
	rules := slices.DeleteFunc(slices.Clone(now), s.isOwn)
	for _, r := range own {
		if !r.Enabled {
			continue // the service knows no rules that are not in force
		}
		written, err := writeRule(r)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.ID, err)
		}
		rules = append(rules, written...)
	}
	if rules == nil {
		rules = []json.RawMessage{} // an empty list takes all away; null would be nothing said
	}
	return rules, nil
}

// writeRule writes one rule for each action. Markers of deleted objects and
// unfinished uploads of ours do not exist here: there is nothing to say.
func writeRule(r storage.LifecycleRule) ([]json.RawMessage, error) {
	var out []json.RawMessage
	for _, a := range r.Actions {
		if a.Kind == storage.ExpireMarkers {
			continue
		}
		written, err := writeAction(r, a)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(written)
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

func writeAction(r storage.LifecycleRule, a storage.LifecycleAction) (rule, error) {
	w := rule{Condition: map[string]any{}}
	if r.Prefix != "" {
		w.Condition["matchesPrefix"] = []string{r.Prefix}
	}
	var err error
	days := max(int(a.After/day), 1)
	switch a.Kind {
	case storage.Expire:
		w.Action.Type = deletes
		w.Condition["isLive"] = true
		writeAge(w.Condition, r, a, days)
	case storage.Transition:
		w.Action.Type = moves
		w.Action.StorageClass, err = class(a.Class)
		w.Condition["isLive"] = true
		writeAge(w.Condition, r, a, days)
	case storage.ExpireNoncurrent:
		w.Action.Type = deletes
		writeNoncurrent(w.Condition, a, days)
	case storage.TransitionNoncurrent:
		w.Action.Type = moves
		w.Action.StorageClass, err = class(a.Class)
		writeNoncurrent(w.Condition, a, days)
	case storage.AbortUploads:
		w.Action.Type = abandons
		w.Condition["age"] = days
	default:
		err = fmt.Errorf("%s: %w", a.Kind, storage.ErrUnsupported)
	}
	return w, err
}

// writeAge writes since when an object has to be there. The mark of an object
// is its custom time: a rule that counts from it is for marked ones only.
func writeAge(condition map[string]any, r storage.LifecycleRule, a storage.LifecycleAction, days int) {
	switch {
	case !a.At.IsZero() && r.MarkedOnly:
		condition["customTimeBefore"] = a.At.UTC().Format(dateLayout)
	case !a.At.IsZero():
		condition["createdBefore"] = a.At.UTC().Format(dateLayout)
	case r.MarkedOnly:
		condition["daysSinceCustomTime"] = days
	default:
		condition["age"] = days
	}
}

func writeNoncurrent(condition map[string]any, a storage.LifecycleAction, days int) {
	if a.At.IsZero() {
		condition["daysSinceNoncurrentTime"] = days
	} else {
		condition["noncurrentTimeBefore"] = a.At.UTC().Format(dateLayout)
	}
	if a.Versions > 0 {
		condition["numNewerVersions"] = a.Versions
	}
}

// isOwn tells whether holdfast wrote the rule for this store. Rules have no
// names here: own is one that is for objects below the root of this store, and
// is exactly what holdfast would write for what it says.
func (s *Store) isOwn(raw json.RawMessage) bool {
	read := s.parseRule(raw)
	if len(read) != 1 || !strings.HasPrefix(read[0].Prefix, s.root) {
		return false
	}
	written, err := writeRule(read[0])
	return err == nil && len(written) == 1 && cloud.SameJSON(written[0], raw)
}

// readRule makes rules of one of the service's: one for each prefix.
func (s *Store) readRule(raw json.RawMessage) []storage.LifecycleRule {
	rules := s.parseRule(raw)
	if s.isOwn(raw) {
		rules[0].Own = true
	}
	return rules
}

func (s *Store) parseRule(raw json.RawMessage) []storage.LifecycleRule {
	out := storage.LifecycleRule{Enabled: true, Raw: string(raw)}
	var r rule
	if err := json.Unmarshal(raw, &r); err != nil {
		out.Unknown = []string{"what cannot be read"}
		return []storage.LifecycleRule{out}
	}
	c := condition{left: maps.Clone(r.Condition)}
	prefixes := c.strings("matchesPrefix")
	if out.Actions, out.MarkedOnly = c.actions(r.Action); len(out.Actions) == 0 {
		out.Unknown = []string{r.Action.Type}
	}
	out.Conditions = c.rest()
	return cloud.ForEachPrefix(out, prefixes)
}

// condition is when a rule applies; what was understood is taken out of left.
type condition struct{ left map[string]any }

// actions returns what a rule does, and whether only to marked objects.
func (c condition) actions(does ruleAction) ([]storage.LifecycleAction, bool) {
	live, said := c.left["isLive"].(bool)
	delete(c.left, "isLive")
	newer, _ := c.number("numNewerVersions") // with none asked for, live objects are meant, too
	noncurrent := said && !live || c.has("daysSinceNoncurrentTime") || c.has("noncurrentTimeBefore") || newer > 0

	a := storage.LifecycleAction{Class: does.StorageClass, Versions: int(newer)}
	marked := c.has("daysSinceCustomTime") || c.has("customTimeBefore")
	for _, name := range []string{"age", "daysSinceCustomTime", "daysSinceNoncurrentTime"} {
		if days, ok := c.number(name); ok {
			a.After = max(a.After, time.Duration(days)*day)
		}
	}
	for _, name := range []string{"createdBefore", "customTimeBefore", "noncurrentTimeBefore"} {
		if at, ok := c.date(name); ok {
			a.At = at
		}
	}
	switch {
	case does.Type == deletes && noncurrent:
		a.Kind = storage.ExpireNoncurrent
	case does.Type == deletes:
		a.Kind = storage.Expire
	case does.Type == moves && noncurrent:
		a.Kind = storage.TransitionNoncurrent
	case does.Type == moves:
		a.Kind = storage.Transition
	case does.Type == abandons:
		a.Kind = storage.AbortUploads
	default: // something new
		return nil, marked
	}
	return []storage.LifecycleAction{a}, marked
}

func (c condition) has(name string) bool { _, ok := c.left[name]; return ok }

func (c condition) number(name string) (int64, bool) {
	f, ok := c.left[name].(float64)
	if ok {
		delete(c.left, name)
	}
	return int64(f), ok
}

func (c condition) date(name string) (time.Time, bool) {
	text, ok := c.left[name].(string)
	if !ok {
		return time.Time{}, false
	}
	t, err := time.Parse(dateLayout, text)
	if err != nil {
		return time.Time{}, false
	}
	delete(c.left, name)
	return t, true
}

func (c condition) strings(name string) []string {
	list, ok := c.left[name].([]any)
	if !ok {
		return nil
	}
	var out []string
	for _, v := range list {
		text, ok := v.(string)
		if !ok {
			return nil
		}
		out = append(out, text)
	}
	delete(c.left, name)
	return out
}

// rest are the limits that were not understood, for people to read.
func (c condition) rest() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(c.left)) {
		text, err := json.Marshal(c.left[name])
		if err != nil {
			continue
		}
		out = append(out, name+" "+string(text))
	}
	return out
}
