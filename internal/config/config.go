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

// Config is the content of holdfast.yaml and of what it includes, checked.
type Config struct {
	// Path is where it was read from.
	Path string `yaml:"-"`
	// Files are all that it was read from, Path first.
	Files []string `yaml:"-"`

	// Include names further files, or patterns of them such as conf.d/*.yaml,
	// from the folder of the file that includes them. Each entry of
	// repositories, sources, plans and notify stands in one file only, and so
	// do defaults and service.
	Include []string `yaml:"include,omitempty"`
	// Defaults are for what entries do not say themselves.
	Defaults *Defaults `yaml:"defaults,omitempty"`
	// Repositories are where snapshots go.
	Repositories map[string]Repository `yaml:"repositories,omitempty"`
	// Sources are what can be protected.
	Sources map[string]Source `yaml:"sources,omitempty"`
	// Plans say what is protected.
	Plans map[string]Plan `yaml:"plans,omitempty"`
	// Notify has the channels that plans name.
	Notify map[string]Channel `yaml:"notify,omitempty"`
	// Service says how holdfast serve does its work.
	Service Service `yaml:"service,omitempty"`
}

// Defaults are what entries have that do not say otherwise. Mappings are
// filled key by key; a list, a single value, keep, schedule, immutable and
// references to secrets are taken or replaced as a whole. A key that an entry
// writes without a value has no default.
type Defaults struct {
	// Repositories is for every repository.
	Repositories *Repository `yaml:"repositories,omitempty"`
	// Sources is for every source of the same kind.
	Sources *Source `yaml:"sources,omitempty"`
	// Plans is for every plan.
	Plans *Plan `yaml:"plans,omitempty"`
}
