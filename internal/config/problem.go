package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	File string
	// Line and Column count from 1; 0 when the problem has no place.
	Line, Column int
	// Key is the path of the key in question, such as
	// "plans.shop.repository"; "" when the file as a whole is meant.
	Key string
	// Text says what is wrong, Fix what probably mends it. Fix may be "".
	Text, Fix string
}

// Error renders the problem on one line: "file:line:column: key: text;
// fix".
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	for _, part := range []string{p.Key, p.Text} {
		if part == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(part)
	}
	if p.Fix != "" {
		b.WriteString("; " + p.Fix)
	}
	return b.String()
}

// Problems is everything wrong with a configuration, in the order of the
// file. It is the error that Load, Parse and Edit return for a bad file.
type Problems []Problem

// Error renders one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// in returns the problems as those of the file at path.
func (ps Problems) in(path string) Problems {
	for i := range ps {
		ps[i].File = path
	}
	return ps
}

// unrelated returns those of found that do not follow from others: a key that
// could not be read may be what another one in the same mapping lacks.
func unrelated(found, others Problems) Problems {
	wrong, incomplete := map[string]bool{}, map[string]bool{}
	for _, p := range others {
		wrong[p.Key], incomplete[parentKey(p.Key)] = true, true
	}
	return slices.DeleteFunc(found, func(p Problem) bool {
		for key := p.Key; key != ""; key = parentKey(key) {
			if wrong[key] {
				return true
			}
		}
		return incomplete[p.Key] || p.Text == missing && incomplete[parentKey(p.Key)]
	})
}

// parentKey is the mapping or the list that a key is in.
func parentKey(key string) string { return key[:max(0, strings.LastIndexAny(key, ".["))] }
