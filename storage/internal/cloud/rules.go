package cloud

import (
	"encoding/json"
	"reflect"
	"slices"

	"holdfast/storage"
)

// SameRules tells whether two lists of rules, each as the service wrote it, say
// the same in the same order.
func SameRules(a, b []json.RawMessage) bool { return slices.EqualFunc(a, b, SameJSON) }

// SameJSON tells whether two documents say the same.
func SameJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// ForEachPrefix makes a rule for each prefix of what a service wrote as one; one
// for everything without any.
func ForEachPrefix(rule storage.LifecycleRule, prefixes []string) []storage.LifecycleRule {
	if len(prefixes) == 0 {
		prefixes = []string{""}
	}
	rules := make([]storage.LifecycleRule, len(prefixes))
	for i, prefix := range prefixes {
		rules[i] = rule
		rules[i].Prefix = prefix
	}
	return rules
}
