package snapshot

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// extraFields holds the members of a JSON object that our struct has no
// field for, by name, as they stand. It is never changed once it is made.
type extraFields map[string]json.RawMessage

// unmarshalKeeping reads the object b into the struct at known, and returns
// the members that have no place there.
func unmarshalKeeping[T any](b []byte, known *T) (extraFields, error) {
	if err := json.Unmarshal(b, known); err != nil {
		return nil, err
	}
	var extra extraFields
	if err := json.Unmarshal(b, &extra); err != nil {
		return nil, err
	}
	names := fieldNames(reflect.TypeFor[T]())
	maps.DeleteFunc(extra, func(name string, _ json.RawMessage) bool {
		// encoding/json finds fields whatever the case of their letters.
		return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
	})
	if len(extra) == 0 {
		return nil, nil
	}
	return extra, nil
}

// marshalWith writes the struct at known and, in its object, the extra
// members sorted by name.
func (e extraFields) marshalWith(known any) ([]byte, error) {
	b, err := json.Marshal(known)
	if err != nil || len(e) == 0 {
		return b, err
	}
	more, err := json.Marshal(map[string]json.RawMessage(e))
	if err != nil {
		return nil, err
	}
	// Both are objects with at least one member: join them.
	b[len(b)-1] = ','
	return append(b, more[1:]...), nil
}

// fieldNames returns the names that the fields of a struct have in JSON.
func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}
