package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/snapfs"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// timeFormat is how times are shown to people, in their zone.
const timeFormat = "2006-01-02 15:04:05"

// located is a folder, or another node, inside a snapshot.
type located struct {
	snapshot *snapshot.Snapshot
	fs       *snapfs.FS // that of the folder named behind the colon
}

// findSnapshot returns the snapshot that a reference means. The error says
// what to do about it.
func findSnapshot(list []*snapshot.Snapshot, filter snapshot.Filter, ref string) (*snapshot.Snapshot, error) {
	s, err := snapshot.Find(list, filter, ref)
	var ambiguous *snapshot.AmbiguousError
	switch {
	case errors.Is(err, snapshot.ErrNotFound):
		return nil, fmt.Errorf("%w; `holdfast snapshots` lists those there are", err)
	case errors.As(err, &ambiguous):
		return nil, fmt.Errorf("%w; give more digits of the one you mean", err)
	}
	return s, err
}

// findToRead is findSnapshot for commands that only read: an ID may also be the
// one under which the snapshot was made, before it was edited or copied.
func findToRead(list []*snapshot.Snapshot, filter snapshot.Filter, ref string) (*snapshot.Snapshot, error) {
	s, err := findSnapshot(list, filter, ref)
	if !errors.Is(err, snapshot.ErrNotFound) || ref == "" {
		return s, err
	}
	for _, o := range list {
		if o.Original == nil || !strings.HasPrefix(o.Original.String(), ref) {
			continue
		}
		if s != nil && *s.Original != *o.Original {
			return nil, err
		}
		s = o // of several, the newest
	}
	if s == nil {
		return nil, err
	}
	return s, nil
}

// locate opens what "SNAPSHOT" or "SNAPSHOT:FOLDER" means. The index is
// loaded.
func (c *command) locate(ctx context.Context, r *repository.Repository, list []*snapshot.Snapshot, filter snapshot.Filter, arg string) (located, error) {
	ref, folder := snapshot.SplitRef(arg)
	s, err := findToRead(list, filter, ref)
	if err != nil {
		return located{}, err
	}
	f, err := snapfs.Open(ctx, r, s.Tree)
	if err != nil {
		return located{}, fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
	}
	l := located{snapshot: s, fs: f}
	if folder == "" {
		return l, nil
	}
	n, err := l.lookup(ctx, folder)
	if err != nil {
		return l, err
	}
	if l.fs, err = f.Sub(ctx, n); err != nil {
		return l, fmt.Errorf("%s in snapshot %s: %w; what follows the colon must be a folder", printable(folder), s.ID.Short(), err)
	}
	return l, nil
}

// lookup returns the node at a path. The error says what to do about it.
func (l located) lookup(ctx context.Context, path string) (*tree.Node, error) {
	n, err := l.fs.Lookup(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("snapshot %s has no %s; `holdfast ls %s` lists what it has", l.snapshot.ID.Short(), printable(path), l.snapshot.ID.Short())
	}
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", l.snapshot.ID.Short(), err)
	}
	return n, nil
}

// wantArgs refuses a wrong number of arguments and says what they are. With
// most < 0 there may be any number.
func wantArgs(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		return fmt.Errorf("`%s` wants %s, but was given %s; see `%s --help`", cmd.CommandPath(), what, countOf(len(args), "argument"), cmd.CommandPath())
	}
}

// unreadable ends a command that went on without some folders or files.
func unreadable(n int) error {
	return fmt.Errorf("%s could not be read; `holdfast check` tells more", countOf(n, "item"))
}
