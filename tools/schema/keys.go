package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"holdfast/internal/config"
	"holdfast/internal/secret"
	"holdfast/tools/comments"
)

// keysFile is the guide that has the list of all keys, between these marks.
const (
	keysFile  = "docs/guides/configuration.md"
	keysBegin = "<!-- Written by `make docs` from here on. -->\n"
	keysEnd   = "<!-- Until here. -->\n"
)

// writeKeys writes a table for each mapping of holdfast.yaml into the guide.
func writeKeys(root string, says *comments.Comments) error {
	path := filepath.Join(root, filepath.FromSlash(keysFile))
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read guide: %w", err)
	}
	before, rest, begun := strings.Cut(string(text), keysBegin)
	_, after, ended := strings.Cut(rest, keysEnd)
	if !begun || !ended {
		return fmt.Errorf("%s lacks the marks between which the keys stand", keysFile)
	}
	l := &keyLister{says: says, titles: map[reflect.Type]string{}}
	l.queue(reflect.TypeFor[config.Config](), "The file")
	for len(l.waiting) > 0 {
		t := l.waiting[0]
		l.waiting = l.waiting[1:]
		l.table(t)
	}
	err = os.WriteFile(path, []byte(before+keysBegin+l.out.String()+keysEnd+after), 0o644) //nolint:gosec // to be read
	if err != nil {
		return fmt.Errorf("write guide: %w", err)
	}
	return nil
}

// keyLister writes each type once, with the path at which it comes first.
type keyLister struct {
	says    *comments.Comments
	out     strings.Builder
	titles  map[reflect.Type]string
	waiting []reflect.Type
}

func (l *keyLister) queue(t reflect.Type, title string) {
	if _, known := l.titles[t]; !known {
		l.titles[t] = title
		l.waiting = append(l.waiting, t)
	}
}

func (l *keyLister) table(t reflect.Type) {
	title := l.titles[t]
	says := title + strings.TrimPrefix(l.says.OfType(t), t.Name())
	fmt.Fprintf(&l.out, "\n### %s\n\n%s\n\n| key | value | meaning |\n|---|---|---|\n", title, says)
	for _, f := range keysOf(t) {
		meaning := l.says.OfField(t, f.Name)
		if d := f.Tag.Get("default"); d != "" {
			meaning = fmt.Sprintf("%s Built in: `%s`.", meaning, d)
		}
		fmt.Fprintf(&l.out, "| `%s` | %s | %s |\n", keyOf(f), l.value(t, f), escapeCell(meaning))
	}
}

// value says what kind of value a key has, with a link to the keys of a
// mapping.
func (l *keyLister) value(parent reflect.Type, f reflect.StructField) string {
	path := keyOf(f)
	if title := l.titles[parent]; strings.HasPrefix(title, "`") {
		path = strings.Trim(title, "`") + "." + path
	}
	return l.kind(f.Type, f.Tag, path)
}

func (l *keyLister) kind(t reflect.Type, tag reflect.StructTag, path string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if kind := textKind(t, tag); kind != "" {
		return kind
	}
	switch t.Kind() {
	case reflect.Slice:
		return "list of " + l.kind(t.Elem(), tag, path+"[]")
	case reflect.Map:
		return "by name: " + l.kind(t.Elem(), "", path+".NAME")
	default:
		l.queue(t, "`"+path+"`")
		return fmt.Sprintf("[%s](#%s)", strings.Trim(l.titles[t], "`"), anchor(l.titles[t]))
	}
}

// textKind names a value that is not a mapping or a list.
func textKind(t reflect.Type, tag reflect.StructTag) string {
	switch {
	case t == reflect.TypeFor[secret.Ref]():
		return "[secret](#secrets)"
	case tag.Get("enum") != "":
		return "`" + strings.ReplaceAll(tag.Get("enum"), ",", "`, `") + "`"
	}
	if s := textSchema(t); s != nil {
		return map[string]string{"Duration": "duration", "Count": "number or `unlimited`", "Bytes": "size", "Rate": "rate", "Window": "[window](#times)", "TagList": "tags"}[t.Name()]
	}
	switch t.Kind() {
	case reflect.Bool:
		return "`true` or `false`"
	case reflect.Int, reflect.Float64:
		return "number"
	case reflect.String:
		kind := map[string]string{"cron": "[schedule](#times)", "cron-or-off": "[schedule](#times) or `off`", "timezone": "time zone", "path": "path", "address": "address", "address-or-off": "address or `off`"}[tag.Get("format")]
		if kind == "" {
			return "text"
		}
		return kind
	}
	return ""
}

// anchor is what the pages of repositories make of a heading.
func anchor(title string) string {
	keep := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		case r == ' ':
			return '-'
		}
		return -1
	}
	return strings.Map(keep, strings.ToLower(title))
}
