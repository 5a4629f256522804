package config

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"holdfast/internal/secret"
)

// later is the value of the struct tag "config" on fields whose key is part
// of the configuration's design but which this version does not act on.
const later = "later"

// maxValues bounds how many values a configuration has, aliases followed: a
// few lines of them can stand for billions.
const maxValues = 1 << 22

// parseFile returns what a file says. Its syntax is checked, and that it is
// one document; a file that holds nothing but comments is null.
func parseFile(path string, data []byte) (*node, Problems) {
	root, problems := parse(data)
	if len(problems) > 0 {
		return &node{at: place{file: path}}, problems.in(path)
	}
	return plant(path, root)
}

// parse returns the root of the only document, or nil for a file that holds
// nothing but comments.
func parse(data []byte) (ast.Node, Problems) {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, Problems{problemOf(err)}
	}
	var root ast.Node
	for _, doc := range file.Docs {
		if isEmpty(doc.Body) {
			continue
		}
		if root != nil {
			at := doc.Body.GetToken().Position
			return nil, Problems{{
				Line: at.Line, Column: at.Column,
				Text: "a second YAML document begins here", Fix: "join the two, without a line \"---\"",
			}}
		}
		root = doc.Body
	}
	return root, nil
}

func isEmpty(node ast.Node) bool {
	if node == nil {
		return true
	}
	t := node.Type()
	return t == ast.NullType || t == ast.CommentType || t == ast.CommentGroupType
}

// problemOf keeps the place that the YAML library gives with its errors, but
// not the excerpt of the file, which is noise in a log.
func problemOf(err error) Problem {
	var ye yaml.Error
	if !errors.As(err, &ye) {
		return Problem{Text: err.Error()}
	}
	p := Problem{Text: ye.GetMessage()}
	if t := ye.GetToken(); t != nil && t.Position != nil {
		p.Line, p.Column = t.Position.Line, t.Position.Column
	}
	return p
}

// decodeTree fills a Config with what a tree says. Every key must be one of
// the type's, every value of its kind. No value is quoted in a Problem unless
// its type says so, for it may be a secret that was put where a reference
// belongs.
//
// Files of secrets are taken from the folder of the file that names them,
// unless verbatim is set.
func decodeTree(root *node, verbatim bool) (*Config, positions, Problems) {
	d := &decoder{at: positions{}, verbatim: verbatim, seen: map[Problem]bool{}}
	c := &Config{}
	d.value(root, reflect.ValueOf(c).Elem(), "", "", "")
	return c, d.at, d.problems
}

type decoder struct {
	at       positions
	verbatim bool
	values   int
	problems Problems
	// seen has the problems: a default counts many times and is wrong once.
	seen map[Problem]bool
}

func (d *decoder) report(at place, key, text, fix string) {
	p := Problem{File: at.file, Line: at.line, Column: at.column, Key: key, Text: text, Fix: fix}
	if !d.seen[p] {
		d.seen[p] = true
		d.problems = append(d.problems, p)
	}
}

// value decodes n into v. key is the path it counts for, written the path it
// was written under. tag is that of the field.
func (d *decoder) value(n *node, v reflect.Value, key, written string, tag reflect.StructTag) {
	if d.values++; d.values >= maxValues {
		if d.values == maxValues {
			d.report(n.at, written, "there are too many values", "write fewer aliases (*name)")
		}
		return
	}
	if n.kind == null {
		return
	}
	for v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	short, hasShort := v.Addr().Interface().(shortForm)
	switch {
	case isText(v.Type()):
		d.text(n, v, written)
	case hasShort && n.kind == scalar:
		short.setShort(n.text)
	case v.Kind() == reflect.Struct:
		d.fields(n, v, key, written)
	case v.Kind() == reflect.Map:
		d.mapping(n, v, key, written)
	case v.Kind() == reflect.Slice:
		d.list(n, v, key, written, tag)
	default:
		d.scalar(n, v, written, tag)
	}
}

// shortForm is a mapping that may also be written as a single value.
type shortForm interface{ setShort(text string) }

func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func (d *decoder) fields(n *node, v reflect.Value, key, written string) {
	if !d.isMapping(n, written) {
		return
	}
	fields := fieldsOf(v.Type())
	for _, e := range n.entries {
		at := join(key, e.name)
		from := cmp.Or(e.origin, join(written, e.name))
		d.at[at] = position{e.at, from}
		field, known := fields[e.name]
		switch {
		case !known:
			d.report(e.at, from, "unknown key", suggest(e.name, activeKeys(fields)))
		case field.Tag.Get("config") == later:
			d.report(e.at, from, "not supported by this version of holdfast", "remove it: nothing would act on it")
		default:
			d.value(e.value, v.FieldByIndex(field.Index), at, from, field.Tag)
		}
	}
	if ref, ok := v.Addr().Interface().(*secret.Ref); ok && !d.verbatim {
		*ref = ref.In(filepath.Dir(n.at.file))
	}
}

func (d *decoder) isMapping(n *node, written string) bool {
	if n.kind != mapping {
		d.report(n.at, written, "wants a mapping (key: value)", "")
	}
	return n.kind == mapping
}

func (d *decoder) mapping(n *node, v reflect.Value, key, written string) {
	if !d.isMapping(n, written) {
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.entries)))
	for _, e := range n.entries {
		at := join(key, e.name)
		from := cmp.Or(e.origin, join(written, e.name))
		d.at[at] = position{e.at, from}
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, value, at, from, "")
		v.SetMapIndex(reflect.ValueOf(e.name), value)
	}
}

func (d *decoder) list(n *node, v reflect.Value, key, written string, tag reflect.StructTag) {
	items := n.items
	switch {
	case n.kind == scalar && tag.Get("single") != "":
		items = []*node{n}
	case n.kind != list:
		d.report(n.at, written, "wants a list", "write it as [a, b]")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		at, from := itemPath(key, i), itemPath(written, i)
		d.at[at] = position{item.at, from}
		d.value(item, v.Index(i), at, from, tag)
	}
}

func (d *decoder) text(n *node, v reflect.Value, written string) {
	if n.kind != scalar {
		d.report(n.at, written, "wants a single value", quotes(n))
		return
	}
	u, _ := v.Addr().Interface().(encoding.TextUnmarshaler)
	if err := u.UnmarshalText([]byte(n.text)); err != nil {
		d.report(n.at, written, err.Error(), "")
	}
}

func (d *decoder) scalar(n *node, v reflect.Value, written string, tag reflect.StructTag) {
	var wants string
	switch v.Kind() {
	case reflect.String:
		wants = "a text"
		if n.kind == scalar {
			v.SetString(n.text)
			d.choice(n, written, tag)
			d.format(n, written, tag)
			return
		}
	case reflect.Bool:
		wants = "true or false"
		if n.kind == scalar && n.scalar == ast.BoolType {
			v.SetBool(strings.EqualFold(n.text, "true"))
			return
		}
	case reflect.Int:
		wants = "a whole number"
		if i, err := strconv.Atoi(n.text); n.scalar == ast.IntegerType && err == nil {
			v.SetInt(int64(i))
			return
		}
	case reflect.Float64:
		wants = "a number"
		f, err := strconv.ParseFloat(n.text, 64)
		if (n.scalar == ast.IntegerType || n.scalar == ast.FloatType) && err == nil && !math.IsInf(f, 0) {
			v.SetFloat(f)
			return
		}
	default:
		panic("config: no rule for values of " + v.Type().String())
	}
	d.report(n.at, written, "wants "+wants, quotes(n))
}

// quotes is the fix for a text such as 22:00 that was read as a mapping, which
// happens between braces.
func quotes(n *node) string {
	if n.kind == mapping && len(n.entries) == 1 {
		return "put it in quotes if the colon is part of it"
	}
	return ""
}

// choice checks a text that is one of a few.
func (d *decoder) choice(n *node, written string, tag reflect.StructTag) {
	allowed := tag.Get("enum")
	if allowed == "" || n.text == "" || slices.Contains(strings.Split(allowed, ","), n.text) {
		return
	}
	d.report(n.at, written, quote(n.text)+" is not known here", "write one of "+strings.ReplaceAll(allowed, ",", ", "))
}

// fieldsOf maps the keys of a struct to its fields.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	if known, ok := fieldsOfTypes.Load(t); ok {
		fields, _ := known.(map[string]reflect.StructField)
		return fields
	}
	fields := make(map[string]reflect.StructField, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			panic(fmt.Sprintf("config: field without a yaml tag: %v.%s", t, f.Name))
		}
		fields[name] = f
	}
	fieldsOfTypes.Store(t, fields)
	return fields
}

// fieldsOfTypes has the answers of fieldsOf: a thousand plans ask the same.
var fieldsOfTypes sync.Map

// activeKeys are the keys that may be suggested to a user.
func activeKeys(fields map[string]reflect.StructField) []string {
	var keys []string
	for name, f := range fields {
		if f.Tag.Get("config") != later {
			keys = append(keys, name)
		}
	}
	slices.Sort(keys)
	return keys
}
