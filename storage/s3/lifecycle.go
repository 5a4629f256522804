package s3

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/storage"
)

// ruleSet is the lifecycle document of a bucket. Rules are kept as they were
// read, so that those of other people go back as they came.
type ruleSet struct {
	XMLName xml.Name  `xml:"LifecycleConfiguration"`
	Rules   []rawRule `xml:"Rule"`
}

// rawRule is one rule: its text, and what we understand of it.
type rawRule struct {
	Text string `xml:",innerxml"`

	ID     string
	Status string
	// Prefix stands in the rule itself where it was made long ago.
	Prefix string
	Filter struct {
		ruleFilter
		And ruleFilter
	}
	Expiration *struct {
		Days                      *int
		Date                      string
		ExpiredObjectDeleteMarker bool
		ExpiredObjectAllVersions  bool // MinIO's
	}
	Noncurrent *struct {
		NoncurrentDays          int
		NewerNoncurrentVersions int
	} `xml:"NoncurrentVersionExpiration"`
	Transitions []struct {
		Days         int
		Date         string
		StorageClass string
	} `xml:"Transition"`
	NoncurrentTransitions []struct {
		NoncurrentDays          int
		NewerNoncurrentVersions int
		StorageClass            string
	} `xml:"NoncurrentVersionTransition"`
	// DeletedObject is MinIO's: all versions of what was deleted go.
	DeletedObject *struct {
		Days int
	} `xml:"DelMarkerExpiration"`
	Abort *struct {
		DaysAfterInitiation int
	} `xml:"AbortIncompleteMultipartUpload"`
	Unknown []struct{ XMLName xml.Name } `xml:",any"`
}

type ruleFilter struct {
	Prefix                string
	Tags                  []ruleTag `xml:"Tag"`
	ObjectSizeGreaterThan string
	ObjectSizeLessThan    string
	Unknown               []struct{ XMLName xml.Name } `xml:",any"`
}

type ruleTag struct{ Key, Value string }

func parseRules(document []byte) (ruleSet, error) {
	var set ruleSet
	if err := xml.Unmarshal(document, &set); err != nil {
		return set, fmt.Errorf("the lifecycle rules of the bucket are not understood: %w", err)
	}
	return set, nil
}

// document is what the service reads.
func (s ruleSet) document() []byte {
	var b bytes.Buffer
	b.WriteString(`<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	for _, r := range s.Rules {
		fmt.Fprintf(&b, "<Rule>%s</Rule>", r.Text)
	}
	b.WriteString("</LifecycleConfiguration>")
	return b.Bytes()
}

// with is the set with the rules of a root replaced. Foreign rules stay as and
// where they are, and so does a rule of ours that says the same in the words
// the service has put it into.
func (s ruleSet) with(root string, rules []storage.LifecycleRule) (ruleSet, error) {
	var wanted ruleSet
	for _, rule := range rules {
		r, err := newRule(root, rule)
		if err != nil {
			return ruleSet{}, fmt.Errorf("rule %s: %w", rule.ID, err)
		}
		wanted.Rules = append(wanted.Rules, r)
	}
	wanted, err := parseRules(wanted.document())
	if err != nil {
		return ruleSet{}, err
	}
	var next ruleSet
	for _, r := range s.Rules {
		is := r.rule(root)
		if !is.Own {
			next.Rules = append(next.Rules, r)
			continue
		}
		i := slices.IndexFunc(wanted.Rules, func(w rawRule) bool { return sameRule(is, w.rule(root)) })
		if i >= 0 {
			next.Rules = append(next.Rules, r)
			wanted.Rules = slices.Delete(wanted.Rules, i, i+1)
		}
	}
	next.Rules = append(next.Rules, wanted.Rules...)
	return next, nil
}

func sameRule(a, b storage.LifecycleRule) bool {
	return a.ID == b.ID && a.Enabled == b.Enabled && a.Prefix == b.Prefix && a.MarkedOnly == b.MarkedOnly &&
		len(a.Conditions)+len(b.Conditions)+len(a.Unknown)+len(b.Unknown) == 0 && slices.Equal(a.Actions, b.Actions)
}

// ownIDs begins the IDs of the rules that holdfast makes for a root.
func ownIDs(root string) string {
	sum := sha256.Sum256([]byte(root))
	return fmt.Sprintf("holdfast-%x-", sum[:4])
}

// rule is what we understand of a raw one.
func (r *rawRule) rule(root string) storage.LifecycleRule {
	rule := storage.LifecycleRule{
		ID:      r.ID,
		Own:     strings.HasPrefix(r.ID, ownIDs(root)),
		Enabled: !strings.EqualFold(r.Status, "Disabled"),
		Prefix:  r.Prefix,
		Raw:     "<Rule>" + r.Text + "</Rule>",
		Actions: r.actions(),
	}
	for _, f := range []ruleFilter{r.Filter.ruleFilter, r.Filter.And} {
		rule.Prefix += f.Prefix // one of them is there
		f.limit(&rule)
	}
	for _, u := range r.Unknown {
		rule.Unknown = append(rule.Unknown, u.XMLName.Local)
	}
	return rule
}

func (f *ruleFilter) limit(rule *storage.LifecycleRule) {
	for _, t := range f.Tags {
		if t == (ruleTag{bulkTag, bulkTagValue}) {
			rule.MarkedOnly = true
			continue
		}
		rule.Conditions = append(rule.Conditions, fmt.Sprintf("tag %s=%s", t.Key, t.Value))
	}
	if f.ObjectSizeGreaterThan != "" {
		rule.Conditions = append(rule.Conditions, "larger than "+f.ObjectSizeGreaterThan+" bytes")
	}
	if f.ObjectSizeLessThan != "" {
		rule.Conditions = append(rule.Conditions, "smaller than "+f.ObjectSizeLessThan+" bytes")
	}
	for _, u := range f.Unknown {
		if u.XMLName.Local != "And" {
			rule.Conditions = append(rule.Conditions, "something unknown: "+u.XMLName.Local)
		}
	}
}

func (r *rawRule) actions() []storage.LifecycleAction {
	var actions []storage.LifecycleAction
	add := func(kind storage.ActionKind, afterDays int, date string, versions int, class string) {
		a := storage.LifecycleAction{Kind: kind, After: days(afterDays), Versions: versions, Class: class}
		a.At, _ = time.Parse(time.RFC3339, date)
		actions = append(actions, a)
	}
	if e := r.Expiration; e != nil {
		after := 0
		if e.Days != nil {
			after = *e.Days
		}
		if e.Days != nil || e.Date != "" {
			add(storage.Expire, after, e.Date, 0, "")
		}
		if e.ExpiredObjectAllVersions {
			add(storage.ExpireNoncurrent, after, e.Date, 0, "")
		}
		if e.ExpiredObjectDeleteMarker {
			add(storage.ExpireMarkers, 0, "", 0, "")
		}
	}
	if n := r.Noncurrent; n != nil {
		add(storage.ExpireNoncurrent, n.NoncurrentDays, "", n.NewerNoncurrentVersions, "")
	}
	if d := r.DeletedObject; d != nil {
		add(storage.ExpireNoncurrent, d.Days, "", 0, "")
	}
	if a := r.Abort; a != nil {
		add(storage.AbortUploads, a.DaysAfterInitiation, "", 0, "")
	}
	for _, t := range r.Transitions {
		add(storage.Transition, t.Days, t.Date, 0, t.StorageClass)
	}
	for _, t := range r.NoncurrentTransitions {
		add(storage.TransitionNoncurrent, t.NoncurrentDays, "", t.NewerNoncurrentVersions, t.StorageClass)
	}
	return actions
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// newRule writes a rule of ours.
func newRule(root string, rule storage.LifecycleRule) (rawRule, error) {
	var b strings.Builder
	element(&b, "ID", ownIDs(root)+rule.ID)
	if rule.Enabled {
		element(&b, "Status", "Enabled")
	} else {
		element(&b, "Status", "Disabled")
	}
	b.WriteString(filterText(rule))
	expires := "" // all of it is one element
	for _, a := range rule.Actions {
		n := fmt.Sprint(wholeDays(a.After))
		keep := ""
		if a.Versions > 0 {
			keep = inElement("NewerNoncurrentVersions", fmt.Sprint(a.Versions))
		}
		switch a.Kind {
		case storage.Expire:
			expires += inElement("Days", n)
		case storage.ExpireMarkers:
			expires += inElement("ExpiredObjectDeleteMarker", "true")
		case storage.ExpireNoncurrent:
			b.WriteString(wrap("NoncurrentVersionExpiration", inElement("NoncurrentDays", n)+keep))
		case storage.AbortUploads:
			b.WriteString(wrap("AbortIncompleteMultipartUpload", inElement("DaysAfterInitiation", n)))
		case storage.Transition:
			b.WriteString(wrap("Transition", inElement("Days", n)+inElement("StorageClass", a.Class)))
		case storage.TransitionNoncurrent:
			b.WriteString(wrap("NoncurrentVersionTransition", inElement("NoncurrentDays", n)+keep+inElement("StorageClass", a.Class)))
		default:
			return rawRule{}, fmt.Errorf("%w: a rule cannot %q", storage.ErrUnsupported, a.Kind)
		}
	}
	if expires != "" {
		b.WriteString(wrap("Expiration", expires))
	}
	if len(rule.Actions) == 0 {
		return rawRule{}, errors.New("a rule needs an action")
	}
	return rawRule{ID: ownIDs(root) + rule.ID, Text: b.String()}, nil
}

func filterText(rule storage.LifecycleRule) string {
	prefix := inElement("Prefix", rule.Prefix)
	if !rule.MarkedOnly {
		return wrap("Filter", prefix)
	}
	mark := wrap("Tag", inElement("Key", bulkTag)+inElement("Value", bulkTagValue))
	if rule.Prefix == "" {
		return wrap("Filter", mark)
	}
	return wrap("Filter", wrap("And", prefix+mark))
}

func element(b *strings.Builder, name, value string) { b.WriteString(inElement(name, value)) }

func inElement(name, value string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(value))
	return wrap(name, b.String())
}

func wrap(name, inner string) string { return "<" + name + ">" + inner + "</" + name + ">" }
