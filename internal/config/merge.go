package config

import (
	"fmt"
	"reflect"

	"holdfast/internal/secret"
)

// sections are the keys of a configuration whose entries may be spread over
// several files.
var sections = [...]string{"repositories", "sources", "plans", "notify"}

// combine makes one tree of those of several files. Sections are put together;
// an entry of one, and any other key, stands in one file only.
func combine(files []file) (*node, Problems) {
	whole := &node{kind: mapping, at: place{file: files[0].path, line: 1, column: 1}}
	c := &combiner{whole: whole, first: map[string]place{}}
	for _, f := range files {
		switch f.root.kind {
		case null:
		case mapping:
			c.add(f.root)
		default:
			c.problems = append(c.problems, Problem{File: f.path, Line: f.root.at.line, Column: f.root.at.column, Text: "wants a mapping (key: value)"})
		}
	}
	return whole, c.problems
}

type combiner struct {
	whole    *node
	first    map[string]place // where each key, and each entry of a section, was first
	problems Problems
}

func (c *combiner) add(root *node) {
	for _, e := range root.entries {
		switch {
		case e.name == "include":
			c.addInclude(e)
		case isSection(e.name) && e.value.kind == mapping:
			c.addSection(e)
		case isSection(e.name) && e.value.kind == null:
		case c.isFirst(e.name, e.at):
			c.whole.entries = append(c.whole.entries, e)
		}
	}
}

// addInclude keeps the key of the first file, so that its form is checked, and
// of another one whose form is wrong.
func (c *combiner) addInclude(e entry) {
	if c.whole.find(e.name) == nil || e.value.kind != list {
		c.whole.entries = append(c.whole.entries, e)
	}
}

func (c *combiner) addSection(e entry) {
	section := c.whole.find(e.name)
	if section == nil {
		c.whole.entries = append(c.whole.entries, entry{name: e.name, at: e.at, value: &node{kind: mapping, at: e.value.at}})
		section = &c.whole.entries[len(c.whole.entries)-1]
	}
	if section.value.kind != mapping {
		return // reported when the types are checked
	}
	for _, item := range e.value.entries {
		if c.isFirst(join(e.name, item.name), item.at) {
			section.value.entries = append(section.value.entries, item)
		}
	}
}

// isFirst reports a key that is in another file already.
func (c *combiner) isFirst(key string, at place) bool {
	first, taken := c.first[key]
	if !taken {
		c.first[key] = at
		return true
	}
	c.problems = append(c.problems, Problem{
		File: at.file, Line: at.line, Column: at.column, Key: key,
		Text: fmt.Sprintf("is also at %s:%d", first.file, first.line), Fix: "keep one of the two",
	})
	return false
}

func isSection(name string) bool {
	for _, s := range sections {
		if s == name {
			return true
		}
	}
	return false
}

// whole is the value of the struct tag "config" on fields that are one thing:
// what an entry says there replaces its default as a whole.
const whole = "whole"

// applyDefaults returns the tree in which the entries of each section have the
// defaults for what they do not say. A key that is written without a value
// (or with null) has none.
func applyDefaults(root *node) *node {
	defaults := root.get("defaults")
	if defaults == nil || defaults.kind != mapping {
		return root
	}
	result := *root
	result.entries = append([]entry(nil), root.entries...)
	for i, section := range result.entries {
		t, ok := defaultable[section.name]
		base := defaults.get(section.name)
		if !ok || base == nil || section.value.kind != mapping {
			continue
		}
		filled := *section.value
		filled.entries = append([]entry(nil), filled.entries...)
		for k, e := range filled.entries {
			// Of a source only the keys of its own kind count: another kind
			// would be a second one.
			filled.entries[k].value = overlay(base, e.value, t, "defaults."+section.name, section.name == "sources")
		}
		result.entries[i].value = &filled
	}
	return &result
}

// defaultable are the types of the entries that may have defaults.
var defaultable = map[string]reflect.Type{
	"repositories": reflect.TypeFor[Repository](),
	"sources":      reflect.TypeFor[Source](),
	"plans":        reflect.TypeFor[Plan](),
}

// overlay returns own with what base has and own does not. Mappings are
// overlaid key by key, unless the type has them as one thing. onlyKnown leaves
// out keys of base that own lacks.
func overlay(base, own *node, t reflect.Type, path string, onlyKnown bool) *node {
	if base.kind != mapping || own.kind != mapping {
		return own
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	result := *own
	result.entries = append([]entry(nil), own.entries...)
	for _, d := range base.entries {
		written := result.find(d.name)
		switch {
		case written == nil && !onlyKnown:
			d.origin = join(path, d.name)
			result.entries = append(result.entries, d)
		case written != nil:
			if inner, ok := overlaidType(t, d.name); ok {
				written.value = overlay(d.value, written.value, inner, join(path, d.name), false)
			}
		}
	}
	return &result
}

// overlaidType returns the type of a field whose value is overlaid key by key.
func overlaidType(t reflect.Type, name string) (reflect.Type, bool) {
	if t.Kind() != reflect.Struct {
		return nil, false
	}
	field, ok := fieldsOf(t)[name]
	if !ok || field.Tag.Get("config") == whole {
		return nil, false
	}
	inner := field.Type
	for inner.Kind() == reflect.Pointer {
		inner = inner.Elem()
	}
	isMapping := inner.Kind() == reflect.Map || inner.Kind() == reflect.Struct && !isText(inner) && inner != reflect.TypeFor[secret.Ref]()
	return inner, isMapping
}
