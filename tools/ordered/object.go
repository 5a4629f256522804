// Package ordered has a JSON object whose keys have an order: that in which
// they were set, for generators that always give the same bytes.
package ordered

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Object is a JSON object. The zero value is empty.
type Object[V any] struct {
	names  []string
	values map[string]V
}

// Set gives a key its value, after all that were set before.
func (o *Object[V]) Set(name string, value V) {
	if o.values == nil {
		o.values = make(map[string]V)
	}
	if _, there := o.values[name]; !there {
		o.names = append(o.names, name)
	}
	o.values[name] = value
}

// MarshalJSON implements json.Marshaler.
func (o *Object[V]) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range o.names {
		if i > 0 {
			b.WriteByte(',')
		}
		value, err := json.Marshal(o.values[name])
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", name, value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
