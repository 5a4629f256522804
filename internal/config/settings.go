package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"

	"holdfast/internal/secret"
)

// Setting is one value that counts, and where it was set.
type Setting struct {
	// Key is the path the value counts for, such as "plans.shop.keep.daily".
	Key string `json:"key"`
	// Value is as it could be written. Of a secret it is the reference.
	Value string `json:"value"`
	// File and Line are where it was set, "" and 0 for what the program has by
	// itself.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Default is the key that is written there, for a value that comes from
	// the defaults.
	Default string `json:"default,omitempty"`
}

// SetBy says where the value comes from.
func (s Setting) SetBy() string {
	switch {
	case s.File == "":
		return "built in"
	case s.Default != "":
		return fmt.Sprintf("%s:%d (%s)", s.File, s.Line, s.Default)
	default:
		return fmt.Sprintf("%s:%d", s.File, s.Line)
	}
}

// Settings returns everything that counts for a plan: its own values, and
// those of the sources, repositories and channels that it names.
func (i *Inspection) Settings(plan string) []Setting {
	c := &collector{at: i.at}
	p := i.Plans[plan]
	c.add(reflect.ValueOf(p), "plans."+plan, "")
	addEach(c, "sources", i.Sources, p.Sources)
	addEach(c, "repositories", i.Repositories, p.Repositories())
	addEach(c, "notify", i.Notify, p.Notify)
	return c.settings
}

func addEach[T any](c *collector, section string, entries map[string]T, names []string) {
	for _, name := range names {
		c.add(reflect.ValueOf(entries[name]), join(section, name), "")
	}
}

// collector walks values and notes what each single one says.
type collector struct {
	at       positions
	settings []Setting
}

// add notes a value. standard is what the program has by itself.
func (c *collector) add(v reflect.Value, key, standard string) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	text, single := singleText(v)
	switch {
	case single:
		c.note(v, key, withoutSecrets(key, text), standard)
	case v.Kind() == reflect.Struct:
		c.addFields(v, key)
	case v.Kind() == reflect.Map:
		for _, name := range sortedNames(stringKeys(v)) {
			c.add(v.MapIndex(reflect.ValueOf(name)), join(key, name), "")
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			c.add(v.Index(i), itemPath(key, i), "")
		}
	}
}

// addFields notes the fields in the order of the type, which is that of the
// documentation.
func (c *collector) addFields(v reflect.Value, key string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if f.Tag.Get("config") != later && name != "-" {
			c.add(v.Field(i), join(key, name), f.Tag.Get("default"))
		}
	}
}

// note notes a single value that somebody has set, or that the program has by
// itself.
func (c *collector) note(v reflect.Value, key, text, standard string) {
	_, exact := c.at[key]
	if !exact && (standard != "" || v.IsZero()) {
		if standard != "" {
			c.settings = append(c.settings, Setting{Key: key, Value: text})
		}
		return
	}
	at := c.at.of(key) // a short form has its place one level up
	s := Setting{Key: key, Value: text, File: at.file, Line: at.line}
	if at.written != key {
		s.Default = at.written
	}
	c.settings = append(c.settings, s)
}

// singleText writes a value that is one thing: a text, a number, a reference
// to a secret, or a list of such.
func singleText(v reflect.Value) (string, bool) {
	if ref, ok := v.Interface().(secret.Ref); ok {
		return "secret in " + ref.Place(), true
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		text, err := m.MarshalText()
		return string(text), err == nil
	}
	switch v.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Float64:
		return fmt.Sprint(v.Interface()), true
	case reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			text, single := singleText(v.Index(i))
			if !single {
				return "", false
			}
			items[i] = text
		}
		return "[" + strings.Join(items, ", ") + "]", v.Len() > 0 || v.Type().Elem().Kind() == reflect.String
	}
	return "", false
}

// WithoutPassword returns a URL with "***" in place of a password.
func WithoutPassword(url string) string { return withoutSecrets("", url) }

// withoutSecrets hides what does not belong into the file and is there all the
// same: passwords in URLs, and in variables named after them.
func withoutSecrets(key, text string) string {
	if looksSecret(key[strings.LastIndexByte(key, '.')+1:]) && strings.Contains(key, ".env.") {
		return "***"
	}
	before, rest, isURL := strings.Cut(text, "://")
	host, path, _ := strings.Cut(rest, "/")
	user, _, hasUser := strings.Cut(host, "@")
	if !isURL || !hasUser {
		return text
	}
	if name, _, hasPassword := strings.Cut(user, ":"); hasPassword {
		text = before + "://" + name + ":***@" + host[len(user)+1:]
		if path != "" {
			text += "/" + path
		}
	}
	return text
}

func stringKeys(v reflect.Value) map[string]bool {
	keys := make(map[string]bool, v.Len())
	for _, k := range v.MapKeys() {
		keys[k.String()] = true
	}
	return keys
}
