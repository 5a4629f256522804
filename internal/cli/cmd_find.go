package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/pattern"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// findFlags are the flags of `holdfast find`.
type findFlags struct {
	chosen     selectFlags
	snapshots  []string
	format     nodeFormat
	ignoreCase bool
	oldest     string
	newest     string
	reverse    bool

	blob, tree, pack bool
	showPack         bool
}

func newFind(c *command) *cobra.Command {
	var f findFlags
	cmd := &cobra.Command{
		Use:   "find [flags] PATTERN...",
		Short: "Find files in snapshots, or what uses a piece of the repository",
		Long: `Find files and folders in snapshots, the newest snapshot first.

A PATTERN is a name or a path in which *, ? and [a-z] stand for other
characters. It may begin at any folder, or with "/" at the root; ** stands for
any number of folders. Quote it, so that the shell leaves it alone. What matches
a folder matches all that is in it.

With --blob, --tree or --pack, the arguments are IDs (or beginnings of them) of
pieces of the repository, and what is found are the paths that need them: what
is lost when they are damaged.`,
		Example: `  holdfast find letter.odt
  holdfast find -i '*.jpg' --host laptop --newest 2026-01-31 -l
  holdfast find --snapshot latest '/etc/**/*.conf'
  holdfast find --pack 025c1d06`,
		Args: wantArgs(1, -1, "a pattern or more"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.runFind(cmd.Context(), &f, args) },
	}
	fl := cmd.Flags()
	c.registerAsOf(fl)
	c.registerFallback(fl)
	f.chosen.register(fl, "H")
	fl.StringArrayVarP(&f.snapshots, "snapshot", "s", nil, "search only in this `snapshot` (may be repeated)")
	fl.BoolVarP(&f.ignoreCase, "ignore-case", "i", false, "take capital and small letters as the same")
	fl.StringVarP(&f.oldest, "oldest", "O", "", "only what was modified at this `time` or later, such as \"2026-01-31 12:00\"")
	fl.StringVarP(&f.newest, "newest", "N", "", "only what was modified at this `time` or earlier")
	fl.BoolVarP(&f.format.long, "long", "l", false, "show mode, owner, group, size and time too")
	fl.BoolVar(&f.format.humanReadable, "human-readable", false, "show sizes in units such as MiB")
	fl.BoolVarP(&f.reverse, "reverse", "R", false, "search the oldest snapshot first")
	fl.BoolVar(&f.blob, "blob", false, "the arguments are IDs of blobs of files")
	fl.BoolVar(&f.tree, "tree", false, "the arguments are IDs of trees")
	fl.BoolVar(&f.pack, "pack", false, "the arguments are IDs of packs")
	fl.BoolVar(&f.showPack, "show-pack-id", false, "tell in which pack the blobs or trees are")
	cmd.MarkFlagsMutuallyExclusive("blob", "tree", "pack")
	return cmd
}

func (c *command) runFind(ctx context.Context, f *findFlags, args []string) error {
	wanted, err := f.wanted(args)
	if err != nil {
		return err
	}
	return c.reading(ctx, func(ctx context.Context, r *repository.Repository, list []*snapshot.Snapshot) error {
		list, err := f.chosen.choose(list, f.snapshots)
		if err != nil {
			return err
		}
		list = snapshot.Sorted(list)
		if !f.reverse {
			slices.Reverse(list)
		}
		out := c.lines()
		if f.blob || f.tree || f.pack {
			return out.end(c.findObjects(ctx, r, f, list, args, out))
		}
		return out.end(c.findFiles(ctx, r, f, list, wanted, out))
	})
}

// wantedFiles says what files are searched for.
type wantedFiles struct {
	patterns       *pattern.List
	oldest, newest time.Time // zero for any
	// anywhere tells that what matches in a folder does not depend on where
	// the folder is.
	anywhere bool
}

func (f *findFlags) wanted(args []string) (w wantedFiles, err error) {
	if f.blob || f.tree || f.pack {
		return w, nil
	}
	parse := pattern.Parse
	if f.ignoreCase {
		parse = pattern.ParseFold
	}
	if w.patterns, err = parse(args); err != nil {
		return w, err
	}
	w.anywhere = !slices.ContainsFunc(args, func(p string) bool {
		return strings.Contains(p, "/") || strings.Contains(p, "**") || strings.HasPrefix(p, "!")
	})
	if w.oldest, err = parseFindTime(f.oldest); err != nil {
		return w, fmt.Errorf("--oldest: %w", err)
	}
	if w.newest, err = parseFindTime(f.newest); err != nil {
		return w, fmt.Errorf("--newest: %w", err)
	}
	return w, nil
}

// findTimeFormats are the forms of --oldest and --newest, restic's and the
// standard one.
var findTimeFormats = [...]string{
	"2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST",
	"02.01.2006", "02.01.2006 15:04", "02.01.2006 15:04:05", "02.01.2006 15:04:05 -0700", "02.01.2006 15:04:05 MST",
	time.UnixDate, time.RFC3339,
}

// parseFindTime reads a time, local unless it tells its zone. Nothing is the
// zero time.
func parseFindTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, format := range findTimeFormats {
		if t, err := time.ParseInLocation(format, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New(`"` + s + `" is no time: want one such as "2026-01-31", "2026-01-31 12:00" or "2026-01-31 12:00:00"`)
}
