package cli

import (
	"context"

	"github.com/spf13/cobra"

	"holdfast/internal/size"
	"holdfast/internal/snapfs/diff"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

func newDiff(c *command) *cobra.Command {
	var metadata bool
	cmd := &cobra.Command{
		Use:   "diff [flags] SNAPSHOT[:FOLDER] SNAPSHOT[:FOLDER]",
		Short: "Show what differs between two snapshots",
		Long: `Show what differs between two snapshots, or two folders in them: what has to
happen to the first to become the second.

  +  it was added
  -  it was removed
  M  the content of the file was modified
  T  it became another type, such as a symlink instead of a file
  U  only metadata such as mode or times was updated (with --metadata)
  ?  behind M: the content differs though all metadata is the same. A disk may
     be failing, or a backup was made with --ignore-inode or --ignore-ctime

Folders that are the same in both are not compared: the work grows with what
has changed.`,
		Example: `  holdfast diff latest~1 latest
  holdfast diff --metadata 3f9a0c11 latest
  holdfast diff latest:/home/ann latest:/home/ben`,
		Args: wantArgs(2, 2, "two snapshots"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.runDiff(cmd.Context(), args, metadata) },
	}
	c.registerAsOf(cmd.Flags())
	c.registerFallback(cmd.Flags())
	cmd.Flags().BoolVar(&metadata, "metadata", false, "show what differs only in metadata too")
	return cmd
}

func (c *command) runDiff(ctx context.Context, args []string, metadata bool) error {
	return c.reading(ctx, func(ctx context.Context, r *repository.Repository, list []*snapshot.Snapshot) error {
		var sides [2]located
		var err error
		for n := range sides {
			if sides[n], err = c.locate(ctx, r, list, snapshot.Filter{}, args[n]); err != nil {
				return err
			}
		}
		out := c.lines()
		return out.end(c.diff(ctx, r, sides, metadata, args, out))
	})
}

// changeMessage tells of one difference, in restic's words.
type changeMessage struct {
	MessageType string `json:"message_type"` // "change"
	Path        string `json:"path"`
	Modifier    string `json:"modifier"`
}

// diffCount is what was added or removed, in restic's words.
type diffCount struct {
	Files     int    `json:"files"`
	Dirs      int    `json:"dirs"`
	Others    int    `json:"others"`
	DataBlobs int    `json:"data_blobs"`
	TreeBlobs int    `json:"tree_blobs"`
	Bytes     uint64 `json:"bytes"`
}

// diffStatistics is the last message of diff, in restic's words.
type diffStatistics struct {
	MessageType    string    `json:"message_type"` // "statistics"
	SourceSnapshot string    `json:"source_snapshot"`
	TargetSnapshot string    `json:"target_snapshot"`
	ChangedFiles   int       `json:"changed_files"`
	Added          diffCount `json:"added"`
	Removed        diffCount `json:"removed"`
}

// diff compares two folders and prints the result.
func (c *command) diff(ctx context.Context, r *repository.Repository, sides [2]located, metadata bool, args []string, out *lines) error {
	if !c.ui.json && !c.ui.quiet {
		if err := out.printf("comparing snapshot %s to %s:\n\n", sides[0].snapshot.ID.Short(), sides[1].snapshot.ID.Short()); err != nil {
			return err
		}
	}
	bad := 0
	o := diff.Options{
		Metadata: metadata,
		Change: func(d diff.Change) error {
			switch {
			case c.ui.json:
				return out.json(changeMessage{"change", d.Path, d.Modifier})
			case c.ui.quiet:
				return nil
			}
			return out.printf("%-5s%s\n", d.Modifier, printable(d.Path))
		},
		Warn: func(path string, err error) {
			bad++
			c.ui.warn("diff", printable(path), err)
		},
	}
	s, err := diff.Run(ctx, r, *sides[0].fs.Root().Subtree, *sides[1].fs.Root().Subtree, o)
	if err != nil {
		return err
	}
	if err := c.showStatistics(s, args, out); err != nil || bad == 0 {
		return err
	}
	return unreadable(bad)
}

func (c *command) showStatistics(s diff.Statistics, args []string, out *lines) error {
	if c.ui.json {
		return out.json(diffStatistics{"statistics", args[0], args[1], s.ChangedFiles, diffCount(s.Added), diffCount(s.Removed)})
	}
	return out.printf(`
Files:       %5d new, %5d removed, %5d changed
Folders:     %5d new, %5d removed
Others:      %5d new, %5d removed
Data blobs:  %5d new, %5d removed
Tree blobs:  %5d new, %5d removed
  Added:   %s
  Removed: %s
`,
		s.Added.Files, s.Removed.Files, s.ChangedFiles, s.Added.Dirs, s.Removed.Dirs, s.Added.Others, s.Removed.Others,
		s.Added.DataBlobs, s.Removed.DataBlobs, s.Added.TreeBlobs, s.Removed.TreeBlobs,
		size.FormatBytes(s.Added.Bytes), size.FormatBytes(s.Removed.Bytes))
}
