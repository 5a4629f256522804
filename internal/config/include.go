package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// maxFiles bounds how many files make up one configuration.
const maxFiles = 4096

// reader fetches the files of a configuration.
type reader struct {
	read func(path string) ([]byte, error)
	glob func(pattern string) ([]string, error)
}

// disk is the reader of this machine's files.
var disk = reader{read: readIncluded, glob: filepath.Glob}

// file is one file of a configuration.
type file struct {
	path string
	data []byte
	root *node
}

// gatherer reads a file and all that it includes.
type gatherer struct {
	reader
	files    []file
	patterns []string // all that were followed
	lacking  []string // what could not be read
	problems Problems
}

// gather reads a file, whose content is data, and all that it includes: the
// file itself first, then the others in the order in which they are included,
// each once.
func gather(from reader, path string, data []byte) *gatherer {
	g := &gatherer{reader: from}
	g.add(path, data, nil)
	return g
}

func (g *gatherer) add(path string, data []byte, via []string) {
	root, problems := parseFile(path, data)
	g.problems = append(g.problems, problems...)
	g.files = append(g.files, file{path, data, root})
	via = append(slices.Clip(via), path)
	g.eachInclude(root, func(pattern *node, key string) {
		for _, included := range g.expand(path, pattern, key) {
			g.include(included, pattern, key, via)
		}
	})
}

// eachInclude visits what a file includes. Another form is reported when the
// types are checked.
func (g *gatherer) eachInclude(root *node, visit func(pattern *node, key string)) {
	include := root.get("include")
	if include == nil || include.kind != list {
		return
	}
	for i, item := range include.items {
		if item.kind == scalar {
			visit(item, itemPath("include", i))
		}
	}
}

// expand returns the files that a pattern means, in order. Hidden files, such
// as editors leave, are meant only by patterns that begin with a dot.
func (g *gatherer) expand(from string, pattern *node, key string) []string {
	path := pattern.text
	if path == "" {
		g.report(pattern.at, key, "names no file", "")
		return nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(from), path)
	}
	if !strings.ContainsAny(path, "*?[") {
		return []string{path}
	}
	g.patterns = append(g.patterns, path)
	return g.expandGlob(path, pattern, key)
}

func (g *gatherer) expandGlob(path string, pattern *node, key string) []string {
	found, err := matches(g.reader, path)
	if err != nil {
		g.report(pattern.at, key, "not a pattern of files: "+err.Error(), "write it like conf.d/*.yaml")
	}
	return found
}

func matches(from reader, pattern string) ([]string, error) {
	found, err := from.glob(pattern)
	slices.Sort(found)
	return slices.DeleteFunc(found, func(path string) bool {
		return strings.HasPrefix(filepath.Base(path), ".") && !strings.HasPrefix(filepath.Base(pattern), ".")
	}), err
}

func (g *gatherer) include(path string, pattern *node, key string, via []string) {
	if at := slices.Index(via, path); at >= 0 {
		g.report(pattern.at, key, "includes itself: "+strings.Join(append(slices.Clone(via[at:]), path), " includes "), "remove it")
		return
	}
	if slices.ContainsFunc(g.files, func(f file) bool { return f.path == path }) {
		return
	}
	if len(g.files) == maxFiles {
		g.report(pattern.at, key, fmt.Sprintf("more than %d files", maxFiles), "")
		return
	}
	data, err := g.read(path)
	if err != nil {
		g.lacking = append(g.lacking, path)
		g.report(pattern.at, key, withoutPrefix(err), "include files that are there and that the user of holdfast may read")
		return
	}
	g.add(path, data, via)
}

func (g *gatherer) report(at place, key, text, fix string) {
	g.problems = append(g.problems, Problem{File: at.file, Line: at.line, Column: at.column, Key: key, Text: text, Fix: fix})
}

// withoutPrefix is the text of an error of read without what was being done.
func withoutPrefix(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "open configuration: "), "read configuration: ")
}
