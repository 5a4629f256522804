package azure

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"holdfast/storage"
	"holdfast/storage/internal/cloud"
)

// ruleName is the name of a rule of this store: other roots in the account
// have rules of their own.
func (s *Store) ruleName(id string) string {
	place := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, s.o.Container+"-"+s.o.Prefix), "-")
	return "holdfast-" + place + "-" + id
}

// The document of rules, as Azure defines it (management policies of
// Microsoft.Storage).
type (
	policyRule struct {
		Enabled    bool             `json:"enabled"`
		Name       string           `json:"name"`
		Type       string           `json:"type"`
		Definition policyDefinition `json:"definition"`
	}
	policyDefinition struct {
		Actions map[string]map[string]policyAge `json:"actions"`
		Filters policyFilters                   `json:"filters"`
	}
	policyAge struct {
		AfterModification int `json:"daysAfterModificationGreaterThan,omitempty"`
		AfterCreation     int `json:"daysAfterCreationGreaterThan,omitempty"`
		AfterTierChange   int `json:"daysAfterLastTierChangeGreaterThan,omitempty"`
	}
	policyFilters struct {
		BlobTypes   []string      `json:"blobTypes"`
		PrefixMatch []string      `json:"prefixMatch,omitempty"`
		IndexMatch  []policyMatch `json:"blobIndexMatch,omitempty"`
	}
	policyMatch struct {
		Name  string `json:"name"`
		Op    string `json:"op"`
		Value string `json:"value"`
	}
)

// thawedDays is how long rules leave a blob alone that was thawed.
const thawedDays = 7

// policyJSON writes rules as the document that Azure takes.
func (s *Store) policyJSON(rules []storage.LifecycleRule) (string, error) {
	doc, err := s.writeRules(rules)
	if err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(map[string]any{"rules": doc}, "", "  ")
	return string(text), err
}

func (s *Store) writeRules(rules []storage.LifecycleRule) ([]policyRule, error) {
	var doc []policyRule
	for _, r := range rules {
		actions, err := policyActions(r.Actions)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.ID, err)
		}
		if len(actions) == 0 {
			continue // nothing that has to be said to Azure
		}
		filters := policyFilters{BlobTypes: []string{"blockBlob"}, PrefixMatch: []string{r.Prefix}}
		if r.MarkedOnly {
			filters.IndexMatch = bulkMatch
		}
		doc = append(doc, policyRule{
			Enabled: r.Enabled, Name: s.ruleName(r.ID), Type: "Lifecycle",
			Definition: policyDefinition{Actions: actions, Filters: filters},
		})
	}
	return doc, nil
}

// policyActions writes the actions of one rule. Azure needs none for
// unfinished uploads, which it drops after a week, and has no delete markers.
func policyActions(actions []storage.LifecycleAction) (map[string]map[string]policyAge, error) {
	out := map[string]map[string]policyAge{}
	add := func(of, what string, age policyAge) {
		if out[of] == nil {
			out[of] = map[string]policyAge{}
		}
		out[of][what] = age
	}
	for _, a := range actions {
		days := max(int(a.After/day), 1)
		if !a.At.IsZero() || a.Versions > 0 {
			return nil, fmt.Errorf("%s on a date, or but for a number of versions: %w", a.Kind, storage.ErrUnsupported)
		}
		switch a.Kind {
		case storage.Expire:
			add("baseBlob", "delete", policyAge{AfterModification: days})
		case storage.ExpireNoncurrent:
			add("version", "delete", policyAge{AfterCreation: days})
		case storage.Transition:
			what, age, err := policyTier(a.Class)
			if err != nil {
				return nil, err
			}
			age.AfterModification = days
			add("baseBlob", what, age)
		case storage.TransitionNoncurrent:
			what, age, err := policyTier(a.Class)
			if err != nil {
				return nil, err
			}
			age.AfterCreation = days
			add("version", what, age)
		case storage.AbortUploads, storage.ExpireMarkers:
		default:
			return nil, fmt.Errorf("%s: %w", a.Kind, storage.ErrUnsupported)
		}
	}
	return out, nil
}

func policyTier(class string) (string, policyAge, error) {
	switch {
	case strings.EqualFold(class, string(blob.AccessTierCool)):
		return "tierToCool", policyAge{}, nil
	case strings.EqualFold(class, string(blob.AccessTierCold)):
		return "tierToCold", policyAge{}, nil
	case strings.EqualFold(class, string(blob.AccessTierArchive)):
		return "tierToArchive", policyAge{AfterTierChange: thawedDays}, nil
	default:
		return "", policyAge{}, fmt.Errorf("the tier %q: %w; there are Cool, Cold and Archive", cmp.Or(class, "(none)"), storage.ErrUnsupported)
	}
}

// replaceRules returns the rules there are, with the own ones replaced.
func (s *Store) replaceRules(now []json.RawMessage, own []storage.LifecycleRule) ([]json.RawMessage, error) {
	rules := slices.DeleteFunc(slices.Clone(now), func(raw json.RawMessage) bool { return s.readRule(raw)[0].Own })
	written, err := s.writeRules(own)
	if err != nil {
		return nil, err
	}
	for _, w := range written {
		text, err := json.Marshal(w)
		if err != nil {
			return nil, err
		}
		rules = append(rules, text)
	}
	return rules, nil
}

// readRule makes rules of one of Azure's: one for each prefix.
func (s *Store) readRule(raw json.RawMessage) []storage.LifecycleRule {
	out := storage.LifecycleRule{Enabled: true, Raw: string(raw)}
	var r struct {
		Enabled    *bool
		Name       string
		Definition struct {
			Actions map[string]map[string]any
			Filters map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		out.Unknown = []string{"what cannot be read"}
		return []storage.LifecycleRule{out}
	}
	out.ID, out.Enabled = r.Name, r.Enabled == nil || *r.Enabled
	prefixes := []string{""}
	for _, name := range slices.Sorted(maps.Keys(r.Definition.Filters)) {
		filter := r.Definition.Filters[name]
		var list []string
		var tags []policyMatch
		switch {
		case name == "prefixMatch" && json.Unmarshal(filter, &list) == nil:
			if len(list) > 0 {
				prefixes = list
			}
		case name == "blobTypes" && json.Unmarshal(filter, &list) == nil && slices.Contains(list, "blockBlob"):
		case name == "blobIndexMatch" && json.Unmarshal(filter, &tags) == nil && slices.Equal(tags, bulkMatch):
			out.MarkedOnly = true
		default:
			out.Conditions = append(out.Conditions, name+" "+string(filter))
		}
	}
	for _, of := range slices.Sorted(maps.Keys(r.Definition.Actions)) {
		for _, what := range slices.Sorted(maps.Keys(r.Definition.Actions[of])) {
			switch a, ok := readAction(of, what, r.Definition.Actions[of][what]); {
			case ok:
				out.Actions = append(out.Actions, a)
			case of == "snapshot": // of blobs: they are no objects of ours
				out.Conditions = append(out.Conditions, of+" "+what)
			default:
				out.Unknown = append(out.Unknown, of+" "+what)
			}
		}
	}
	inRoot := func(prefix string) bool { return strings.HasPrefix(prefix, s.o.Container+"/"+s.root) }
	out.Own = strings.HasPrefix(r.Name, s.ruleName("")) && !slices.ContainsFunc(prefixes, func(p string) bool { return !inRoot(p) })
	return cloud.ForEachPrefix(out, prefixes)
}

var bulkMatch = []policyMatch{{Name: bulkTag, Op: "==", Value: bulkValue}}

// readAction reads one action.
func readAction(of, what string, ages any) (storage.LifecycleAction, bool) {
	kinds := map[string][2]storage.ActionKind{
		"baseBlob": {storage.Expire, storage.Transition},
		"version":  {storage.ExpireNoncurrent, storage.TransitionNoncurrent},
	}[of]
	age, ok := ages.(map[string]any)
	if !ok || kinds[0] == "" {
		return storage.LifecycleAction{}, false
	}
	var a storage.LifecycleAction
	for _, name := range []string{"daysAfterModificationGreaterThan", "daysAfterCreationGreaterThan", "daysAfterLastAccessTimeGreaterThan"} {
		if days, ok := age[name].(float64); ok {
			a.After = max(a.After, time.Duration(days*float64(day)))
		}
	}
	switch what {
	case "delete":
		a.Kind = kinds[0]
	case "tierToCool", "tierToCold", "tierToArchive", "tierToHot":
		a.Kind, a.Class = kinds[1], strings.TrimPrefix(what, "tierTo")
	default:
		return storage.LifecycleAction{}, false
	}
	return a, true
}
