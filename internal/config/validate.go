package config

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// maxNameBytes bounds the names that users give: they become tags and paths
// of snapshots.
const maxNameBytes = 64

// validate checks what the values mean. Each type checks itself through a
// checker, in the file where it stands.
func (c *Config) validate(at positions) Problems {
	root := &checker{at: at, file: c.Path, problems: &Problems{}}
	checkAll(root, "repositories", c.Repositories)
	checkAll(root, "sources", c.Sources)
	checkAll(root, "notify", c.Notify)
	checkAll(root, "plans", c.Plans)
	c.Service.check(root.key("service"))

	c.checkPlaces(root.key("repositories"), root.key("plans"))
	c.checkReferences(root)
	return *root.problems
}

// checkPlaces finds repositories that are the same place under two names: a
// copy in the same place would be no copy. Archives in one would be worse.
func (c *Config) checkPlaces(k, plans *checker) {
	owner := map[string]string{}
	for _, name := range sortedNames(c.Repositories) {
		url := placeOf(c.Repositories[name].URL)
		if url == "" {
			continue
		}
		if other, taken := owner[url]; taken {
			k.key(name).key("url").report("the same place as repository "+other, "give each repository a place of its own")
			continue
		}
		owner[url] = name
	}
	for _, name := range sortedNames(c.Plans) {
		a := c.Plans[name].Archives
		if a == nil {
			continue
		}
		if repository, taken := owner[placeOf(a.To)]; taken {
			plans.key(name).key("archives").key("to").report("the place of repository "+repository, "give archives a place of their own: rules delete them by their age")
		}
	}
}

// placeOf writes a URL in one way, as far as that is known without asking the
// place.
func placeOf(url string) string {
	path, isLocal := strings.CutPrefix(url, "local:")
	if isLocal || filepath.IsAbs(url) {
		return filepath.Clean(path)
	}
	return strings.TrimRight(url, "/")
}

// checker reports problems of the value under one key.
type checker struct {
	at       positions
	file     string // for what is written nowhere
	path     string
	problems *Problems
}

// key returns the checker of a key below this one.
func (k *checker) key(name string) *checker {
	return &checker{at: k.at, file: k.file, path: join(k.path, name), problems: k.problems}
}

// item returns the checker of an item of a list.
func (k *checker) item(i int) *checker {
	return &checker{at: k.at, file: k.file, path: itemPath(k.path, i), problems: k.problems}
}

func (k *checker) report(text, fix string) {
	at := k.at.of(k.path)
	p := Problem{File: cmp.Or(at.file, k.file), Line: at.line, Column: at.column, Key: at.written, Text: text, Fix: fix}
	if !slices.Contains(*k.problems, p) { // a default counts many times and is wrong once
		*k.problems = append(*k.problems, p)
	}
}

// missing is the text of a problem with a key that is not there.
const missing = "missing"

// require reports a key that is missing.
func (k *checker) require(present bool, fix string) {
	if !present {
		k.report(missing, fix)
	}
}

// checked is a value with rules of its own.
type checked interface{ check(k *checker) }

func checkAll[T checked](root *checker, section string, values map[string]T) {
	for _, name := range sortedNames(values) {
		k := root.key(section).key(name)
		if !validName(name) {
			k.report("not a valid name", "use up to 64 letters, digits, and . _ - after the first")
		}
		values[name].check(k)
	}
}

func validName(name string) bool {
	if name == "" || len(name) > maxNameBytes {
		return false
	}
	for i, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return true
}

// checkRefs checks a list of names against what they must name.
func checkRefs[T any](k *checker, what string, names []string, known map[string]T) {
	for i, name := range names {
		checkRef(k.item(i), what, name, known)
		if slices.Index(names, name) < i {
			k.item(i).report("named twice", "")
		}
	}
}

func checkRef[T any](k *checker, what, name string, known map[string]T) {
	if _, ok := known[name]; ok {
		return
	}
	k.report("there is no "+what+" named "+quote(name), suggest(name, sortedNames(known)))
}

func sortedNames[K cmp.Ordered, T any](m map[K]T) []K { return slices.Sorted(maps.Keys(m)) }
