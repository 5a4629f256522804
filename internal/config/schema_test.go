package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// valid tells what is wrong with a value by a JSON Schema, as far as ours goes.
func valid(root, s map[string]any, v any, at string) (wrong []string) {
	if ref, ok := s["$ref"].(string); ok {
		definitions, _ := root["definitions"].(map[string]any)
		s, _ = definitions[strings.TrimPrefix(ref, "#/definitions/")].(map[string]any)
		return valid(root, s, v, at)
	}
	for _, part := range each(s["allOf"]) {
		wrong = append(wrong, valid(root, part, v, at)...)
	}
	if choices := each(s["anyOf"]); len(choices) > 0 && !slices.ContainsFunc(choices, func(part map[string]any) bool { return len(valid(root, part, v, at)) == 0 }) {
		wrong = append(wrong, at+": fits none of several")
	}
	if t, ok := s["type"]; ok && !hasType(t, v) {
		return append(wrong, fmt.Sprintf("%s: is no %v", at, t))
	}
	if allowed, ok := s["enum"].([]any); ok && !slices.Contains(allowed, v) {
		wrong = append(wrong, fmt.Sprintf("%s: is none of %v", at, allowed))
	}
	if pattern, ok := s["pattern"].(string); ok {
		if text, isText := v.(string); isText && !regexp.MustCompile(pattern).MatchString(text) {
			wrong = append(wrong, at+": does not match "+pattern)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			switch inner, known := properties[name].(map[string]any); {
			case known:
				wrong = append(wrong, valid(root, inner, v[name], join(at, name))...)
			case s["additionalProperties"] == false:
				wrong = append(wrong, join(at, name)+": unknown")
			default:
				more, _ := s["additionalProperties"].(map[string]any)
				wrong = append(wrong, valid(root, more, v[name], join(at, name))...)
			}
		}
	case []any:
		items, _ := s["items"].(map[string]any)
		for i, item := range v {
			wrong = append(wrong, valid(root, items, item, itemPath(at, i))...)
		}
	}
	return wrong
}

func each(list any) (parts []map[string]any) {
	items, _ := list.([]any)
	for _, item := range items {
		if part, ok := item.(map[string]any); ok {
			parts = append(parts, part)
		}
	}
	return parts
}

func hasType(t, v any) bool {
	if list, ok := t.([]any); ok {
		return slices.ContainsFunc(list, func(t any) bool { return hasType(t, v) })
	}
	switch v := v.(type) {
	case nil:
		return t == "null"
	case string:
		return t == "string"
	case bool:
		return t == "boolean"
	case map[string]any:
		return t == "object"
	case []any:
		return t == "array"
	case uint64, int64:
		return t == "integer" || t == "number"
	case float64:
		return t == "number" || t == "integer" && v == math.Trunc(v)
	}
	return false
}

// bySchema checks a text by the schema.
func bySchema(t *testing.T, text string) []string {
	t.Helper()
	var s map[string]any
	if err := json.Unmarshal([]byte(Schema()), &s); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return valid(s, s, v, "")
}

// byType checks a text by the types.
func byType(text string) Problems {
	root, problems := parseFile("x", []byte(text))
	if len(problems) == 0 {
		_, _, problems = decodeTree(root, true)
	}
	return problems
}

// What the guides show is right, by the types and by the schema. Pieces of a
// file are tried at the places where they may belong.
func TestExamplesOfTheGuides(t *testing.T) {
	paths, err := filepath.Glob("../../docs/*/*.md")
	if err != nil || len(paths) < 10 {
		t.Fatalf("the guides are not where they were: %v, %v", paths, err)
	}
	blocks := 0
	for _, path := range append(paths, "../../README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?ms)^ *```yaml\n(.*?)^ *```").FindAllStringSubmatch(string(text), -1) {
			blocks++
			fitsSomewhere(t, filepath.Base(path), unindent(block[1]))
		}
	}
	if blocks < 6 {
		t.Errorf("only %d examples were found", blocks)
	}
}

func fitsSomewhere(t *testing.T, where, block string) {
	t.Helper()
	var wrong []string
	for _, around := range []string{"", "plans:\n  p:\n", "repositories:\n", "sources:\n", "plans:\n", "sources:\n  s:\n"} {
		text := around + indent(block, strings.Count(around, "\n"))
		byTypes, bySchemas := byType(text), bySchema(t, text)
		if len(byTypes) == 0 && len(bySchemas) == 0 {
			if strings.Contains(text, "plans:") && strings.Contains(text, "sources:") && strings.Contains(text, "repositories:") {
				if _, problems := (files{mainFile: text}).load(); len(problems) > 0 && around == "" {
					t.Errorf("%s: %v", where, problems)
				}
			}
			return
		}
		wrong = append(wrong, fmt.Sprintf("in %q: %v, %q", around, byTypes, bySchemas))
	}
	t.Errorf("%s: this example fits nowhere:\n%s\n%s", where, block, strings.Join(wrong, "\n"))
}

func indent(text string, levels int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.Repeat("  ", levels) + line)
	}
	return b.String()
}

// unindent takes away what all lines begin with.
func unindent(text string) string {
	least := len(text)
	for line := range strings.Lines(text) {
		if trimmed := strings.TrimLeft(line, " "); trimmed != "\n" {
			least = min(least, len(line)-len(trimmed))
		}
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(line[min(least, len(line)-1):])
	}
	return b.String()
}

// What the schema refuses the types refuse, too, and the other way round,
// where the schema can know.
func TestSchemaAgreesWithTypes(t *testing.T) {
	cases := map[string]bool{
		"plans: { p: { sources: [a], repository: r } }":                             true,
		"plans: { p: { source: [a] } }":                                             false,
		"plans: { p: { sources: a } }":                                              false,
		"plans: { p: { copies: [a, { to: b, keep: { daily: unlimited } }] } }":      true,
		"plans: { p: { copies: [{ too: b }] } }":                                    false,
		"plans: { p: { keep: { within: 1y6m, last: 3 } } }":                         true,
		"plans: { p: { keep: { within: 3w } } }":                                    false,
		"plans: { p: { jitter: 10m, window: '22:00-06:00' } }":                      true,
		"plans: { p: { jitter: 10, window: ['22:00-06:00'] } }":                     false,
		"plans: { p: { window: always } }":                                          false,
		"plans: { p: { limits: { upload: 10M, nice: 3, memory: 1G } } }":            true,
		"plans: { p: { limits: { upload: 10Mbit } } }":                              false,
		"plans: { p: { limits: { nice: three } } }":                                 false,
		"plans: { p: { restore_test: { points: [newest, oldest] } } }":              true,
		"plans: { p: { restore_test: { points: [first] } } }":                       false,
		"plans: { p: { anomaly: { deviations: 5.5, off: true } } }":                 true,
		"plans: { p: { schedule: { snapshot: '@daily' } } }":                        false,
		"plans: { p: { restore_test: , hooks: } }":                                  true,
		"repositories: { r: { url: /r, password: hunter2 } }":                       false,
		"repositories: { r: { url: /r, password: { env: P }, options: { a: 1 } } }": true,
		"service: { state_dir: here }":                                              false,
		"service: { upkeep: { retention: { schedule: off } } }":                     true,
		"notify: { n: { min_severity: loud } }":                                     false,
		"include: a":                                                                false,
		"defaults: { plans: { jitter: 1m }, sources: { files: { exclude: [x] } } }": true,
		"defaults: { plan: {} }":                                                    false,
	}
	for text, want := range cases {
		types, schemas := byType(text), bySchema(t, text)
		if (len(types) == 0) != want || (len(schemas) == 0) != want {
			t.Errorf("%s: the types say %v, the schema %q", text, types, schemas)
		}
	}
}

// Every key says what it is for.
func TestEveryKeyIsExplained(t *testing.T) {
	var s map[string]any
	if err := json.Unmarshal([]byte(Schema()), &s); err != nil {
		t.Fatal(err)
	}
	all := map[string]any{"top": s}
	definitions, _ := s["definitions"].(map[string]any)
	maps.Copy(all, definitions)
	for name, definition := range all {
		object, _ := definition.(map[string]any)
		properties, _ := object["properties"].(map[string]any)
		for key, value := range properties {
			if property, _ := value.(map[string]any); property["description"] == nil {
				t.Errorf("%s.%s has no description: write a comment at its field", name, key)
			}
		}
	}
}
