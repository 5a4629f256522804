package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"holdfast/internal/pattern"
	"holdfast/internal/size"
	"holdfast/internal/source"
	"holdfast/internal/source/files"
	"holdfast/repository"
	"holdfast/storage"
	"holdfast/storage/local"
)

// sourceFlags say what is backed up.
type sourceFlags struct {
	filesFrom         []string
	filesFromVerbatim []string
	filesFromRaw      []string
	stdin             bool
	stdinCommand      bool
	stdinFilename     string

	excludes       []string
	iexcludes      []string
	excludeFiles   []string
	iexcludeFiles  []string
	excludeCaches  bool
	ifPresent      []string
	largerThan     size.Bytes
	oneFileSystem  bool
	withAccessTime bool

	missing int // paths that were given and do not exist
}

func (f *sourceFlags) register(fl *pflag.FlagSet) {
	fl.StringArrayVar(&f.filesFrom, "files-from", nil, "read paths and patterns from a `file`, one a line (\"-\" for standard input)")
	fl.StringArrayVar(&f.filesFromVerbatim, "files-from-verbatim", nil, "read paths from a `file`, one a line, taken literally")
	fl.StringArrayVar(&f.filesFromRaw, "files-from-raw", nil, "read paths from a `file`, each ended by a NUL")
	fl.BoolVar(&f.stdin, "stdin", false, "back up what comes from standard input")
	fl.BoolVar(&f.stdinCommand, "stdin-from-command", false, "back up the output of the command given as arguments; if it fails there is no snapshot")
	fl.StringVar(&f.stdinFilename, "stdin-filename", "stdin", "`name` of the file that standard input becomes")
	fl.StringArrayVarP(&f.excludes, "exclude", "e", nil, "leave out what matches a `pattern` (may be repeated)")
	fl.StringArrayVar(&f.iexcludes, "iexclude", nil, "as --exclude with a `pattern`, whatever the case of letters")
	fl.StringArrayVar(&f.excludeFiles, "exclude-file", nil, "read exclude patterns from a `file`")
	fl.StringArrayVar(&f.iexcludeFiles, "iexclude-file", nil, "as --exclude-file with a `file`, whatever the case of letters")
	fl.BoolVar(&f.excludeCaches, "exclude-caches", false, "leave out the content of folders marked with a CACHEDIR.TAG")
	fl.StringArrayVar(&f.ifPresent, "exclude-if-present", nil, "leave out the content of folders that hold `name[:header]`")
	fl.Var(&f.largerThan, "exclude-larger-than", "leave out files larger than this `size`, such as 64M")
	fl.BoolVarP(&f.oneFileSystem, "one-file-system", "x", false, "stay on the file system of each path")
	fl.BoolVar(&f.withAccessTime, "with-atime", false, "record access times")
}

// opened is a source ready to be backed up.
type opened struct {
	source  source.Source
	scan    source.Source // the same for counting; nil if it can be read only once
	paths   []string      // as the snapshot records them
	readers source.Concurrency
	// failure tells what is known only after reading: why a command failed.
	failure func() error
}

// open builds the source that flags and arguments describe. The repository
// and the cache are never part of it.
func (f *sourceFlags) open(ctx context.Context, c *command, args []string, r *repository.Repository) (*opened, error) {
	switch {
	case f.stdinCommand:
		return f.openCommand(ctx, c, args)
	case f.stdin:
		if len(args) > 0 {
			return nil, fmt.Errorf("--stdin takes no paths, but was given %q", args[0])
		}
		return f.openStream(io.NopCloser(c.streams.In), func() error { return nil }), nil
	}
	paths, err := f.paths(c, args)
	if err != nil {
		return nil, err
	}
	return f.openFiles(c, paths, r)
}

// openFiles builds a source of files.
func (f *sourceFlags) openFiles(c *command, paths []string, r *repository.Repository) (*opened, error) {
	rules, err := f.rules(c)
	if err != nil {
		return nil, err
	}
	if rules.Forbidden, err = ownFolders(c, r); err != nil {
		return nil, err
	}
	cfg := files.Config{Paths: paths, Rules: rules, WithAccessTime: f.withAccessTime}
	o := &opened{readers: files.ReaderConcurrency(paths[0]), failure: func() error { return nil }}
	if o.scan, err = files.New(cfg); err != nil {
		return nil, err
	}
	cfg.Warn = func(path string, err error) { c.ui.warn("scan", path, err) }
	if c.ui.verbose >= 2 {
		cfg.Excluded = func(path, why string) { c.ui.infof("left out %s: it %s", path, why) }
	}
	if o.source, err = files.New(cfg); err != nil {
		return nil, err
	}
	o.paths, err = snapshotPaths(paths)
	return o, err
}

// snapshotPaths returns the absolute paths that a snapshot records.
func snapshotPaths(paths []string) ([]string, error) {
	var abs []string
	for _, p := range paths {
		a, err := filepath.Abs(p)
		if err != nil {
			return nil, fmt.Errorf("make %s absolute: %w", p, err)
		}
		abs = append(abs, filepath.ToSlash(a))
	}
	slices.Sort(abs)
	return slices.Compact(abs), nil
}

// ownFolders identifies the folders that holdfast itself works in.
func ownFolders(c *command, r *repository.Repository) ([]files.FileID, error) {
	var dirs []string
	if s, ok := storage.As[*local.Store](r.Store()); ok {
		dirs = append(dirs, s.Location())
	}
	cache, err := c.cacheDir()
	if err != nil {
		return nil, err
	}
	if cache != "" {
		dirs = append(dirs, cache)
	}
	var ids []files.FileID
	for _, dir := range dirs {
		i, err := files.Identify(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, i)
	}
	return ids, nil
}

// rules turns the exclude flags into rules.
func (f *sourceFlags) rules(c *command) (files.Rules, error) {
	rules := files.Rules{LargerThan: int64(f.largerThan), OneFileSystem: f.oneFileSystem}
	if f.excludeCaches {
		rules.IfPresent = append(rules.IfPresent, files.CacheTag)
	}
	for _, s := range f.ifPresent {
		tag, err := files.ParseTag(s)
		if err != nil {
			return rules, err
		}
		rules.IfPresent = append(rules.IfPresent, tag)
	}
	exact, err := f.patterns(c, f.excludes, f.excludeFiles)
	if err != nil {
		return rules, err
	}
	folded, err := f.patterns(c, f.iexcludes, f.iexcludeFiles)
	if err != nil {
		return rules, err
	}
	list, err := pattern.Parse(exact)
	if err != nil {
		return rules, err
	}
	foldedList, err := pattern.ParseFold(folded)
	if err != nil {
		return rules, err
	}
	for _, l := range []*pattern.List{list, foldedList} {
		if !l.Empty() {
			rules.Patterns = append(rules.Patterns, l)
		}
	}
	return rules, nil
}

// patterns returns the patterns given, and those of the files given.
func (f *sourceFlags) patterns(c *command, given, paths []string) ([]string, error) {
	all := append([]string(nil), given...)
	for _, path := range paths {
		data, err := f.read(c, path)
		if err != nil {
			return nil, fmt.Errorf("read exclude patterns: %w", err)
		}
		parsed := pattern.ParseFile(data, os.LookupEnv)
		for _, name := range parsed.Unset {
			c.ui.warn("scan", path, fmt.Errorf("$%s is not set; it was replaced by nothing", name))
		}
		all = append(all, parsed.Patterns...)
	}
	return all, nil
}

func (f *sourceFlags) read(c *command, path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(c.streams.In)
	}
	return os.ReadFile(path)
}

// paths returns the paths to back up: arguments, and those that files list.
func (f *sourceFlags) paths(c *command, args []string) ([]string, error) {
	paths := append([]string(nil), args...)
	for _, name := range f.filesFrom {
		data, err := f.read(c, name)
		if err != nil {
			return nil, fmt.Errorf("read the list of paths: %w", err)
		}
		for _, line := range pattern.ParseFile(data, os.LookupEnv).Patterns {
			matches, err := filepath.Glob(line)
			if err != nil {
				return nil, fmt.Errorf("pattern %q in %s: %w", line, name, err)
			}
			if len(matches) == 0 {
				c.ui.warn("scan", line, errors.New("the pattern matches nothing"))
			}
			paths = append(paths, matches...)
		}
	}
	for _, list := range []struct {
		names []string
		end   string
	}{{f.filesFromVerbatim, "\n"}, {f.filesFromRaw, "\x00"}} {
		for _, name := range list.names {
			data, err := f.read(c, name)
			if err != nil {
				return nil, fmt.Errorf("read the list of paths: %w", err)
			}
			for part := range bytes.SplitSeq(data, []byte(list.end)) {
				if len(part) > 0 {
					paths = append(paths, string(part))
				}
			}
		}
	}
	if len(paths) == 0 {
		return nil, errors.New("nothing to back up: give at least one path")
	}
	found, err := existing(c, paths)
	f.missing = len(paths) - len(found)
	return found, err
}

// existing drops paths that are not there, and fails if none is left.
func existing(c *command, paths []string) ([]string, error) {
	var found []string
	for _, p := range paths {
		if _, err := os.Lstat(p); err != nil {
			if !errors.Is(err, os.ErrNotExist) {
				return nil, err
			}
			c.ui.warn("scan", p, errors.New("it does not exist; it is left out"))
			continue
		}
		found = append(found, p)
	}
	if len(found) == 0 {
		return nil, errors.New("none of the paths to back up exists")
	}
	return found, nil
}
