package cli

import (
	"context"

	"github.com/spf13/cobra"

	"holdfast/internal/wal"
)

// walUploads is how many segments are uploaded at once, and walAhead how many
// of those that wait are archived on the way.
const (
	walUploads = 4
	walAhead   = 8
)

func newWALPush(c *command) *cobra.Command {
	var f walFlags
	ahead := walAhead
	cmd := &cobra.Command{
		Use:   "push [flags] PATH",
		Short: "Archive one file of the log (archive_command)",
		Long: `Archive one file of pg_wal. PostgreSQL calls this when archive_mode is on; it
may remove the file as soon as the command has ended well, so the command does
that only when the file is durable in as many repositories as the plan's
wal.confirm says. Files that wait behind this one are archived on the way.

The same file may be pushed again; another content under its name is refused.

In postgresql.conf:

  archive_mode = on
  archive_command = 'holdfast wal push --plan shop %p'`,
		Example: "  holdfast wal push --plan shop pg_wal/000000010000000000000003",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.runWALPush(cmd.Context(), f, args[0], ahead) },
	}
	f.register(cmd.Flags())
	cmd.Flags().IntVar(&ahead, "ahead", walAhead, "archive up to so many files that wait behind this one")
	return cmd
}

// walMessage tells of one file of the log.
type walMessage struct {
	MessageType string `json:"message_type"` // "wal_pushed" or "wal_fetched"
	File        string `json:"file"`
}

func (c *command) runWALPush(ctx context.Context, f walFlags, path string, ahead int) error {
	s, err := c.logSource(f)
	if err != nil {
		return err
	}
	archives, err := c.openLogs(ctx, s)
	if err != nil {
		return err
	}
	if err := wal.Push(ctx, path, wal.PushOptions{Archives: archives, Ahead: ahead, Uploads: walUploads}); err != nil {
		return err
	}
	c.ui.message(walMessage{"wal_pushed", path})
	return nil
}
