package config

import (
	"slices"

	"holdfast/internal/size"
)

// Source is something to protect. Exactly one kind is set.
type Source struct {
	// Files is a source made of files and folders of this machine.
	Files *Files `yaml:"files,omitempty"`
	// Postgres is a PostgreSQL cluster.
	Postgres *Postgres `yaml:"postgres,omitempty"`

	MySQL      any `yaml:"mysql,omitempty"      config:"later"`
	MongoDB    any `yaml:"mongodb,omitempty"    config:"later"`
	Docker     any `yaml:"docker,omitempty"     config:"later"`
	Kubernetes any `yaml:"kubernetes,omitempty" config:"later"`
	Volume     any `yaml:"volume,omitempty"     config:"later"`
}

func (s Source) check(k *checker) {
	switch {
	case s.Files != nil && s.Postgres != nil:
		k.report("is of two kinds", "give each a source of its own; a plan can have both")
	case s.Files != nil:
		s.Files.check(k.key("files"))
	case s.Postgres != nil:
		s.Postgres.check(k.key("postgres"))
	default:
		k.report("says nothing to protect", "write files: { paths: [/the/folder] }")
	}
}

// Files is a source made of files and folders. The keys are those of the
// backup command's options.
type Files struct {
	// Paths are absolute: a plan has no working directory.
	Paths []string `yaml:"paths,flow"`
	// Exclude and IExclude are patterns; IExclude ignores case.
	Exclude  []string `yaml:"exclude,omitempty,flow"`
	IExclude []string `yaml:"iexclude,omitempty,flow"`
	// ExcludeFiles and IExcludeFiles are files that hold such patterns, one a
	// line.
	ExcludeFiles  []string `yaml:"exclude_files,omitempty,flow"`
	IExcludeFiles []string `yaml:"iexclude_files,omitempty,flow"`
	// ExcludeIfPresent leaves out folders that hold a file of this name,
	// or NAME:HEADER for one that also begins with HEADER.
	ExcludeIfPresent []string `yaml:"exclude_if_present,omitempty,flow"`
	// ExcludeCaches leaves out folders marked by a CACHEDIR.TAG.
	ExcludeCaches bool `yaml:"exclude_caches,omitempty"`
	// ExcludeLargerThan leaves out files above a size.
	ExcludeLargerThan size.Bytes `yaml:"exclude_larger_than,omitempty"`
	// OneFileSystem stays on the file systems of Paths.
	OneFileSystem bool `yaml:"one_file_system,omitempty"`
	// WithAccessTime keeps the time of last access.
	WithAccessTime bool `yaml:"with_atime,omitempty"`
}

func (f Files) check(k *checker) {
	k.key("paths").require(len(f.Paths) > 0, "list the files and folders to protect")
	for i, path := range f.Paths {
		checkPath(k.key("paths").item(i), path)
		if slices.Index(f.Paths, path) < i {
			k.key("paths").item(i).report("named twice", "")
		}
	}
	for i, path := range f.ExcludeFiles {
		checkPath(k.key("exclude_files").item(i), path)
	}
	for i, path := range f.IExcludeFiles {
		checkPath(k.key("iexclude_files").item(i), path)
	}
}

func checkPath(k *checker, path string) {
	if wrong, fix := wrongPath(path); wrong != "" {
		k.report(wrong, fix)
	}
}
