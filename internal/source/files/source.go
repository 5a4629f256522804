// Package files makes files and directories of this machine a source.
//
// On Linux everything is done relative to open directories, so that neither
// the length of a path nor somebody renaming a parent or planting a symlink
// changes what is read. Listing a directory costs two allocations however
// many names it has, and Stat costs one system call and none. Elsewhere
// paths and package os do the work, slower and with the races paths have.
//
// The paths given become a tree of their own (see plan.go), laid out as
// restic does it, so that equal paths give equal snapshots.
package files

import (
	"context"
	"errors"
	"fmt"

	"holdfast/internal/source"
)

// Config says which files to back up, and what to record of them.
type Config struct {
	// Paths are the roots: absolute, or relative to the working directory.
	Paths []string
	// Rules say what to leave out.
	Rules Rules
	// WithAccessTime records access times. Without it the modification time
	// is recorded in its place, since reading a file must not change it.
	WithAccessTime bool
	// AllDeviceIDs records the device of every file, as restic 0.18 does
	// unless its feature device-id-for-hardlinks is on. Device numbers change
	// with reboots and file system snapshots, and then every tree does.
	AllDeviceIDs bool
	// DropCache asks the kernel to forget large files once they are read.
	DropCache bool
	// MaxOpenDirs bounds the descriptors held for directories (default 256).
	// Directories beyond it are closed and found again when needed.
	MaxOpenDirs int
	// Excluded, if not nil, is told what was left out and why. Warn, if not
	// nil, is told of rules that could not be applied. Both may be called
	// from several goroutines at once.
	Excluded func(path, why string)
	Warn     func(path string, err error)
}

const defaultMaxOpenDirs = 256

// Source is a set of files and directories.
type Source struct {
	cfg    Config
	rules  ruleSet
	owners owners
	sys    system
}

var _ source.Source = (*Source)(nil)

// New returns a source of the files at cfg.Paths. Nothing is read yet.
func New(cfg Config) (*Source, error) {
	if len(cfg.Paths) == 0 {
		return nil, errors.New("no paths to back up")
	}
	if cfg.MaxOpenDirs <= 0 {
		cfg.MaxOpenDirs = defaultMaxOpenDirs
	}
	rules, err := cfg.Rules.compile()
	if err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, rules: rules}
	s.sys.start(cfg)
	return s, nil
}

// Open returns the top of the tree that the configured paths make. Paths
// that do not exist are among its names: Stat reports them.
func (s *Source) Open(ctx context.Context) (source.Dir, error) {
	top, err := planRoots(s.cfg.Paths, func(path string) ([]string, error) {
		return s.namesAt(ctx, path)
	})
	if err != nil {
		return nil, err
	}
	if top.leaf != "" { // a lone "." or "..": its names are the top's
		return s.openRoot(top.leaf, "")
	}
	return &rootsDir{src: s, plan: top, parents: make(map[string]*dir)}, nil
}

// namesAt lists the directory at path under the rules.
func (s *Source) namesAt(ctx context.Context, path string) ([]string, error) {
	d, err := s.openRoot(path, "")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Names(ctx)
}

func (s *Source) excluded(path, why string) {
	if s.cfg.Excluded != nil {
		s.cfg.Excluded(path, why)
	}
}

func (s *Source) warn(path string, err error) {
	if s.cfg.Warn != nil {
		s.cfg.Warn(path, err)
	}
}

func pathError(op, path string, err error) error {
	return fmt.Errorf("%s %s: %w", op, path, err)
}
