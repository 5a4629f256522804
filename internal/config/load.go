package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// maxFileBytes bounds each file. A fleet of a thousand plans is well below.
const maxFileBytes = 4 << 20

// Load reads and checks the file at path and all that it includes. When
// something in them is wrong the error is a Problems.
func Load(path string) (*Config, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// Parse is Load for a file that was read already. Relative paths of secrets
// and of what it includes are taken from the folder of path.
func Parse(path string, data []byte) (*Config, error) {
	l, problems := load(disk, path, data)
	if len(problems) > 0 {
		return nil, problems
	}
	return l.config, nil
}

// loaded is a checked configuration with where everything in it was set.
type loaded struct {
	config *Config
	at     positions
	files  *gatherer
}

// load reads and checks a configuration: first the syntax of all files, then
// that they fit together, then keys and kinds of values together with what
// they mean. A later step runs only when those before found nothing.
func load(from reader, path string, data []byte) (*loaded, Problems) {
	g := gather(from, path, data)
	l := &loaded{files: g}
	if len(g.problems) > 0 {
		return l, g.ordered(g.problems)
	}
	root, problems := combine(g.files)
	if len(problems) > 0 {
		return l, g.ordered(problems)
	}
	l.config, l.at, problems = decodeTree(applyDefaults(root), false)
	l.config.Path = path
	l.config.Files = g.paths()
	if problems = append(problems, unrelated(l.config.validate(l.at), problems)...); len(problems) > 0 {
		return l, g.ordered(problems)
	}
	fill(l.config)
	return l, nil
}

func (g *gatherer) ordered(ps Problems) Problems { return ordered(g.paths(), ps) }

func (g *gatherer) paths() []string {
	paths := make([]string, len(g.files))
	for i, f := range g.files {
		paths[i] = f.path
	}
	return paths
}

// ordered puts problems into the order of the files.
func ordered(files []string, ps Problems) Problems {
	rank := make(map[string]int, len(files))
	for i, path := range files {
		rank[path] = i
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(rank[a.File], rank[b.File]), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Key, b.Key))
	})
	return ps
}

// readIncluded reads a file that is one: a pipe might never end.
func readIncluded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open configuration: %s is not a file", path)
	}
	return read(path)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("read configuration: %s: %w", path, errTooLong)
	}
	return data, nil
}

var errTooLong = errors.New("longer than 4 MiB: not a configuration")
