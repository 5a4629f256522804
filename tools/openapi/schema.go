package main

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"holdfast/internal/api"
	"holdfast/tools/comments"
	"holdfast/tools/ordered"
)

var typeOfProblem = reflect.TypeFor[api.Problem]()

// schema is one of OpenAPI 3.0.
type schema struct {
	Ref         string      `json:"$ref,omitempty"`
	AllOf       []*schema   `json:"allOf,omitempty"`
	Type        string      `json:"type,omitempty"`
	Format      string      `json:"format,omitempty"`
	Description string      `json:"description,omitempty"`
	Enum        []string    `json:"enum,omitempty"`
	Pattern     string      `json:"pattern,omitempty"`
	Minimum     *int        `json:"minimum,omitempty"`
	Maximum     int         `json:"maximum,omitempty"`
	Items       *schema     `json:"items,omitempty"`
	Required    []string    `json:"required,omitempty"`
	Properties  *properties `json:"properties,omitempty"`
	Additional  any         `json:"additionalProperties,omitempty"` // false or a schema
}

// properties are written in the order of the type.
type properties = ordered.Object[*schema]

// maker makes schemas of types; those of structs go into schemas.
type maker struct {
	says    *comments.Comments
	schemas map[string]*schema
}

// taken says that the API takes a type, and knows all that may be in it.
func (m *maker) taken(t reflect.Type) {
	m.of(t)
	m.schemas[t.Name()].Additional = false
}

// of returns the schema of a type.
func (m *maker) of(t reflect.Type) *schema {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return &schema{Type: "string", Format: "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return &schema{}
	case reflect.TypeFor[api.Month]():
		return &schema{Type: "string", Pattern: "^[0-9]{4}-[0-9]{2}$"}
	}
	if words := m.wordsOf(t); words != nil {
		m.schemas[t.Name()] = &schema{Type: "string", Description: m.says.OfType(t), Enum: words}
		return refTo(t)
	}
	zero := 0
	switch t.Kind() {
	case reflect.Struct:
		return m.object(t)
	case reflect.Map:
		return &schema{Type: "object", Additional: m.of(t.Elem())}
	case reflect.Slice:
		return &schema{Type: "array", Items: m.of(t.Elem())}
	case reflect.String:
		return &schema{Type: "string"}
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Float64:
		return &schema{Type: "number", Format: "double"}
	case reflect.Int:
		return &schema{Type: "integer"}
	case reflect.Int64:
		return &schema{Type: "integer", Format: "int64"}
	case reflect.Uint64:
		return &schema{Type: "integer", Format: "int64", Minimum: &zero}
	default:
		panic("openapi: no schema for " + t.String())
	}
}

// wordsOf returns what a value of a type can be, if that is one of some words.
func (m *maker) wordsOf(t reflect.Type) []string {
	if t.Kind() == reflect.String {
		if t.Name() == "Kind" { // of events: there will be others
			return nil
		}
		return m.says.Values(t)
	}
	if t.Kind() != reflect.Int || !t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return nil
	}
	var words []string
	for n := int64(0); ; n++ {
		v := reflect.New(t).Elem()
		v.SetInt(n)
		text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil || string(text) == "unknown" {
			return words
		}
		if string(text) != api.Nobody.String() {
			words = append(words, string(text))
		}
	}
}

// object puts the schema of a struct where all are, and refers to it. Fields
// that are always written are required.
func (m *maker) object(t reflect.Type) *schema {
	if m.schemas[t.Name()] != nil {
		return refTo(t)
	}
	s := &schema{Type: "object", Description: m.says.OfType(t), Properties: &properties{}}
	m.schemas[t.Name()] = s
	for _, f := range reflect.VisibleFields(t) {
		name := jsonKey(f)
		if f.Anonymous || name == "" || name == "-" {
			continue
		}
		value := *m.of(f.Type)
		if said := m.says.OfField(ownerOf(t, f), f.Name); said != "" {
			if value.Ref != "" { // nothing beside it counts
				refersTo := value
				value = schema{AllOf: []*schema{&refersTo}}
			}
			value.Description = said
		}
		s.Properties.Set(name, &value)
		if !strings.Contains(f.Tag.Get("json"), ",omit") {
			s.Required = append(s.Required, name)
		}
	}
	return refTo(t)
}

func refTo(t reflect.Type) *schema { return &schema{Ref: "#/components/schemas/" + t.Name()} }

// ownerOf returns the struct that has a field, which may be one within.
func ownerOf(t reflect.Type, f reflect.StructField) reflect.Type {
	for _, i := range f.Index[:len(f.Index)-1] {
		t = t.Field(i).Type
	}
	return t
}

// elementOf returns what a list is of.
func elementOf(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t
}
