package main

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"holdfast/internal/config"
	"holdfast/internal/retention"
	"holdfast/internal/secret"
	"holdfast/internal/size"
	"holdfast/tools/comments"
	"holdfast/tools/ordered"
)

// schema is a JSON Schema (draft 7, which editors know best).
type schema struct {
	Schema      string             `json:"$schema,omitempty"`
	ID          string             `json:"$id,omitempty"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	Ref         string             `json:"$ref,omitempty"`
	AllOf       []*schema          `json:"allOf,omitempty"`
	AnyOf       []*schema          `json:"anyOf,omitempty"`
	Type        any                `json:"type,omitempty"` // a name or several
	Enum        []string           `json:"enum,omitempty"`
	Pattern     string             `json:"pattern,omitempty"`
	Minimum     *int               `json:"minimum,omitempty"`
	Default     any                `json:"default,omitempty"`
	Examples    []string           `json:"examples,omitempty"`
	Items       *schema            `json:"items,omitempty"`
	Properties  *properties        `json:"properties,omitempty"`
	Additional  any                `json:"additionalProperties,omitempty"` // false or a schema
	Definitions map[string]*schema `json:"definitions,omitempty"`
}

// properties are written in the order of the type.
type properties = ordered.Object[*schema]

// schemaFiles are where the schema is written: for editors, and for the
// program to carry.
var schemaFiles = [...]string{"docs/holdfast.schema.json", "internal/config/holdfast.schema.json"}

// writeSchema writes the schema of holdfast.yaml, made of the types that it is
// decoded into and their comments.
func writeSchema(root string, says *comments.Comments) error {
	g := &schemaMaker{says: says, definitions: map[string]*schema{}}
	top := g.object(reflect.TypeFor[config.Config]())
	top.Schema = "http://json-schema.org/draft-07/schema#"
	top.Title = "holdfast.yaml"
	top.Description = "What holdfast protects, where to, when, and what it promises."
	top.Definitions = g.definitions
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(top); err != nil {
		return fmt.Errorf("encode schema: %w", err)
	}
	for _, file := range schemaFiles {
		if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(file)), b.Bytes(), 0o644); err != nil { //nolint:gosec // to be read
			return fmt.Errorf("write schema: %w", err)
		}
	}
	return nil
}

type schemaMaker struct {
	says        *comments.Comments
	definitions map[string]*schema
}

// of returns the schema of a type. tag is that of the field.
func (g *schemaMaker) of(t reflect.Type, tag reflect.StructTag) *schema {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s := textSchema(t); s != nil {
		return s
	}
	switch t.Kind() {
	case reflect.Struct:
		if g.definitions[t.Name()] == nil {
			g.definitions[t.Name()] = &schema{} // before it refers to itself
			*g.definitions[t.Name()] = *g.object(t)
		}
		s := &schema{Ref: "#/definitions/" + t.Name()}
		switch t {
		case reflect.TypeFor[config.Copy](), reflect.TypeFor[config.Traces]():
			return &schema{AnyOf: []*schema{{Type: "string"}, s}}
		case reflect.TypeFor[config.TLS]():
			return &schema{AnyOf: []*schema{{Type: []string{"string", "boolean"}, Examples: []string{config.Off}}, s}}
		}
		return s
	case reflect.Map:
		return &schema{Type: orNull("object"), Additional: g.of(t.Elem(), "")}
	case reflect.Slice:
		s := &schema{Type: orNull("array"), Items: g.of(t.Elem(), tag)}
		if tag.Get("single") != "" {
			return &schema{AnyOf: []*schema{s.Items, s}}
		}
		return s
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Int:
		return &schema{Type: "integer"}
	case reflect.Float64:
		return &schema{Type: "number"}
	case reflect.String:
		return textOf(tag)
	default:
		panic("schema: no schema for " + t.String())
	}
}

// orNull also allows a key without a value, which YAML has.
func orNull(kind string) []string { return []string{kind, "null"} }

func textOf(tag reflect.StructTag) *schema {
	s := &schema{Type: []string{"string", "number", "boolean"}} // of a text, YAML may make anything
	if allowed := tag.Get("enum"); allowed != "" {
		return &schema{Enum: strings.Split(allowed, ",")}
	}
	switch tag.Get("format") {
	case "cron":
		s.Type, s.Examples = "string", []string{"0 2 * * *", "@daily", "@every 6h"}
	case "cron-or-off":
		s.Type, s.Examples = []string{"string", "boolean"}, []string{"0 2 * * *", "@daily", "off"}
	case "timezone":
		s.Type, s.Examples = "string", []string{"Europe/Zurich", "UTC"}
	case "path":
		s.Type, s.Pattern = "string", "^/|^[A-Za-z]:"
	}
	return s
}

// textSchema is the schema of a type that reads itself from a text, nil if it
// is not one.
func textSchema(t reflect.Type) *schema {
	zero := 0
	switch t {
	case reflect.TypeFor[config.Duration]():
		return &schema{Type: "string", Pattern: "^([0-9]+[wdhms])+$", Examples: []string{"15m", "1h30m", "35d"}}
	case reflect.TypeFor[retention.Duration]():
		return &schema{Type: "string", Pattern: "^([0-9]+[ymdh])+$", Examples: []string{"30d", "1y6m"}}
	case reflect.TypeFor[retention.Count]():
		return &schema{AnyOf: []*schema{{Type: "integer", Minimum: &zero}, {Enum: []string{"unlimited"}}}}
	case reflect.TypeFor[size.Bytes]():
		return &schema{AnyOf: []*schema{{Type: "integer", Minimum: &zero}, {Type: "string", Pattern: "^[0-9]+[bBkKmMgGtT]?$", Examples: []string{"64M", "10G"}}}}
	case reflect.TypeFor[size.Rate]():
		return &schema{AnyOf: []*schema{{Type: "integer", Minimum: &zero}, {Type: "string", Pattern: "^([0-9]+[bBkKmMgGtT]?|unlimited)$", Examples: []string{"512K", "10M"}}}}
	case reflect.TypeFor[config.Window]():
		return &schema{Type: "string", Pattern: `^([A-Za-z,-]+ +)?[0-9:]+-[0-9:]+$|^[0-9-]+\.\.[0-9-]+$`, Examples: []string{"22:00-06:00", "SAT,SUN 00:00-24:00", "2026-12-24..2027-01-01"}}
	case reflect.TypeFor[retention.TagList]():
		return &schema{Type: "string", Examples: []string{"keep,yearly"}}
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		panic("schema: no schema for " + t.String())
	}
	return nil
}

// object is the schema of a struct: its keys and no others. Which of them must
// be there is left to the program, since defaults may have them.
func (g *schemaMaker) object(t reflect.Type) *schema {
	s := &schema{
		Description: g.says.OfType(t), Type: orNull("object"), Additional: false,
		Properties: &properties{},
	}
	if t == reflect.TypeFor[secret.Ref]() {
		s.Type = "object"
	}
	for _, f := range keysOf(t) {
		value := g.of(f.Type, f.Tag)
		if value.Ref != "" { // in draft 7 nothing beside it counts
			value = &schema{AllOf: []*schema{value}}
		}
		value.Description = g.says.OfField(t, f.Name)
		value.Default = defaultOf(f)
		name := keyOf(f)
		s.Properties.Set(name, value)
	}
	return s
}

// keysOf returns the fields that are keys of this version.
func keysOf(t reflect.Type) []reflect.StructField {
	var fields []reflect.StructField
	for i := range t.NumField() {
		if f := t.Field(i); keyOf(f) != "-" && f.Tag.Get("config") != "later" {
			fields = append(fields, f)
		}
	}
	return fields
}

func keyOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

func defaultOf(f reflect.StructField) any {
	text := f.Tag.Get("default")
	if text == "" {
		return nil
	}
	if n, err := strconv.Atoi(text); err == nil && f.Type.Kind() != reflect.String {
		return n
	}
	return text
}
