package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"holdfast/internal/retention"
)

// defaultIndent is the indentation of entries where the file shows none.
const defaultIndent = 2

var errFlow = errors.New("the section is written in braces; write it as lines, or add the entry by hand")

// insertEntry adds "name: value" as the last entry of a top-level section.
// It works on lines, not on the syntax tree, so that nothing else changes.
func insertEntry(text []byte, section, name string, value any) ([]byte, error) {
	root, problems := parse(text)
	if len(problems) > 0 {
		return nil, problems
	}
	d := newDocument(text)
	at, indent, err := d.place(root, section)
	if err != nil {
		return nil, err
	}
	entry, err := render(name, value, indent)
	if err != nil {
		return nil, err
	}
	if at == 0 {
		at = d.end()
		entry = append([]string{section + ":"}, entry...)
		if at > 0 && strings.TrimSpace(d.lines[at-1]) != "" {
			entry = append([]string{""}, entry...)
		}
	}
	d.insert(at, entry)
	return d.bytes(), nil
}

// document is a file as lines without their ends.
type document struct {
	lines   []string
	newline string
}

func newDocument(text []byte) *document {
	d := &document{newline: "\n"}
	if bytes.Contains(text, []byte("\r\n")) {
		d.newline = "\r\n"
	}
	whole := strings.TrimSuffix(string(text), d.newline)
	if whole != "" {
		d.lines = strings.Split(whole, d.newline)
	}
	return d
}

func (d *document) bytes() []byte {
	return []byte(strings.Join(d.lines, d.newline) + d.newline)
}

func (d *document) insert(at int, lines []string) {
	d.lines = append(d.lines[:at:at], append(lines, d.lines[at:]...)...)
}

// end returns where a new section goes: behind the last line.
func (d *document) end() int { return len(d.lines) }

// place finds where an entry of the section goes, as the number of lines
// before it, and how far it is indented. 0 lines mean that the file lacks
// the section.
func (d *document) place(root ast.Node, section string) (at, indent int, err error) {
	if root == nil {
		return 0, defaultIndent, nil
	}
	entries, ok := entriesOf(root)
	if m, isMapping := root.(*ast.MappingNode); !ok || isMapping && m.IsFlowStyle {
		return 0, 0, errFlow
	}
	for i, entry := range entries {
		if keyText(entry.Key) != section {
			continue
		}
		indent, err := indentOf(entry.Value)
		if err != nil {
			return 0, 0, err
		}
		next := len(d.lines)
		if i+1 < len(entries) {
			next = entries[i+1].Key.GetToken().Position.Line - 1
		}
		return d.lastOf(entry.Key.GetToken().Position.Line, next), indent, nil
	}
	return 0, defaultIndent, nil
}

// indentOf returns how far the entries of a section are indented.
func indentOf(section ast.Node) (int, error) {
	if section == nil || section.Type() == ast.NullType {
		return defaultIndent, nil
	}
	entries, ok := entriesOf(section)
	if m, isMapping := section.(*ast.MappingNode); !ok || len(entries) == 0 || isMapping && m.IsFlowStyle {
		return 0, errFlow
	}
	return entries[0].Key.GetToken().Position.Column - 1, nil
}

// lastOf steps back from line next over what belongs to the section after
// this one: blank lines and comments at the margin. It never goes before
// line first.
func (d *document) lastOf(first, next int) int {
	for next > first {
		line := d.lines[next-1]
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#") {
			break
		}
		next--
	}
	return next
}

// render returns the lines of "name: value", indented.
func render(name string, value any, indent int) ([]string, error) {
	text, err := yaml.MarshalWithOptions(map[string]any{name: value}, yaml.Indent(defaultIndent),
		yaml.CustomMarshaler(renderString), yaml.CustomMarshaler(retention.Count.MarshalText))
	if err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i := range lines {
		lines[i] = strings.Repeat(" ", indent) + lines[i]
	}
	return lines, nil
}

// renderString quotes every text that is not plainly a text. The YAML
// library's own rule lets some pass that read back as something else, such
// as ".inf".
func renderString(s string) ([]byte, error) {
	if isPlain(s) {
		return []byte(s), nil
	}
	// A JSON string is a YAML one in double quotes.
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(s)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// isPlain tells whether s is a path or a word that is text without quotes in
// every version of YAML.
func isPlain(s string) bool {
	words := []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
	return s != "" && strings.IndexFunc(s, notPlain) < 0 &&
		(s[0] == '/' || isLetter(rune(s[0])) && !slices.Contains(words, strings.ToLower(s)))
}

func notPlain(c rune) bool {
	return !isLetter(c) && (c < '0' || c > '9') && !strings.ContainsRune("./_-", c)
}

func isLetter(c rune) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
