// Package config reads and edits holdfast.yaml: which repositories there
// are, what is protected, and by which plans.
//
// Loading is strict. An unknown key, a value of the wrong kind and a name
// that leads nowhere are Problems: each says file, line, key and the likely
// fix, and all of them are reported at once. Keys that belong to later
// versions are known and refused, so that nobody believes in a protection
// that is not there.
//
// Secrets are references (package secret); the file itself holds none.
//
// Edit adds entries without touching what the user wrote: comments, order
// and spacing stay as they are.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxFileBytes bounds the file. A fleet of a thousand plans is well below.
const maxFileBytes = 4 << 20

// Config is the content of one holdfast.yaml, checked.
type Config struct {
	// Path is where it was read from.
	Path string `yaml:"-"`

	Repositories map[string]Repository `yaml:"repositories,omitempty"`
	Sources      map[string]Source     `yaml:"sources,omitempty"`
	Plans        map[string]Plan       `yaml:"plans,omitempty"`
	// Notify has the channels that plans name.
	Notify map[string]Channel `yaml:"notify,omitempty"`
	// Service says how holdfast serve does its work.
	Service Service `yaml:"service,omitempty"`
}

// Load reads and checks the file at path. When something in it is wrong the
// error is a Problems.
func Load(path string) (*Config, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// Parse is Load for a file that was read already. Relative paths of secrets
// are taken from the folder of path.
func Parse(path string, data []byte) (*Config, error) {
	c, problems := decode(data)
	if len(problems) > 0 {
		return nil, problems.in(path)
	}
	c.Path = path
	c.resolvePaths(filepath.Dir(path))
	return c, nil
}

// Warnings tells what is dubious without being wrong: files of secrets that
// others may read.
func (c *Config) Warnings() []string {
	var warnings []string
	for _, name := range sortedNames(c.Repositories) {
		if w := c.Repositories[name].Password.Warning(); w != "" {
			warnings = append(warnings, fmt.Sprintf("repositories.%s.password: %s", name, w))
		}
	}
	for _, name := range sortedNames(c.Notify) {
		if w := c.Notify[name].URL.Warning(); w != "" {
			warnings = append(warnings, fmt.Sprintf("notify.%s.url: %s", name, w))
		}
	}
	return warnings
}

func (c *Config) resolvePaths(folder string) {
	for name, r := range c.Repositories {
		r.Password = r.Password.In(folder)
		if r.Log != nil {
			log := *r.Log
			log.SigningKey, log.Identity = log.SigningKey.In(folder), log.Identity.In(folder)
			r.Log = &log
		}
		c.Repositories[name] = r
	}
	for name, s := range c.Sources {
		if s.Postgres != nil {
			p := *s.Postgres
			p.Password = p.Password.In(folder)
			s.Postgres = &p
			c.Sources[name] = s
		}
	}
	for name, n := range c.Notify {
		n.URL = n.URL.In(folder)
		c.Notify[name] = n
	}
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
		return nil, fmt.Errorf("read configuration %s: %w", path, errTooLong)
	}
	return data, nil
}

var errTooLong = errors.New("longer than 4 MiB: not a configuration")
