package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"holdfast/internal/wal"
)

// walUploads is how many segments are uploaded at once, and walAhead how many
// of those that wait are archived on the way.
const (
	walUploads = 8
	walAhead   = 16
)

func newWALPush(c *command) *cobra.Command {
	var f walFlags
	o := pushFlags{}
	cmd := &cobra.Command{
		Use:   "push [flags] PATH",
		Short: "Archive one file of the log (archive_command)",
		Long: `Archive one file of pg_wal. PostgreSQL calls this when archive_mode is on; it
may remove the file as soon as the command has ended well, so the command does
that only when the file is durable in as many repositories as the plan's
wal.confirm says. Where 'holdfast wal receive' runs for the plan, the file is
handed over to it; otherwise the command archives it itself. Either way, files
that wait behind this one are archived at once, so that their turn is short.

When the repositories are down, the command fails and PostgreSQL keeps the log.
With the plan's wal.max_retained, log beyond that size is let go instead, so
that the server's disk does not fill up: the log then has a gap, 'wal status'
says so, and a new base backup is needed.

With --mark, the files that wait and are archived already are marked as such
(pg_wal/archive_status), within a second and before the command ends: the server
does not run it for each of them. It must be all of archive_command then, since
the server does not run the rest of it for them either, and pg_stat_archiver does
not count them.

The same file may be pushed again; another content under its name is refused.

In postgresql.conf:

  archive_mode = on
  archive_command = 'holdfast wal push --mark --plan shop %p'`,
		Example: "  holdfast wal push --plan shop pg_wal/000000010000000000000003",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.runWALPush(cmd.Context(), f, args[0], o) },
	}
	f.register(cmd.Flags())
	cmd.Flags().IntVar(&o.ahead, "ahead", walAhead, "archive up to so many files that wait behind this one")
	cmd.Flags().BoolVar(&o.mark, "mark", false, "mark those that are archived already, so that the server does not ask for each: only where archive_command does nothing else")
	return cmd
}

// walMessage tells of one file of the log.
type walMessage struct {
	MessageType string `json:"message_type"` // "wal_pushed" or "wal_fetched"
	File        string `json:"file"`
}

// pushFlags say what becomes of the files that wait behind the one that is pushed.
type pushFlags struct {
	ahead int
	mark  bool
}

func (c *command) runWALPush(ctx context.Context, f walFlags, path string, o pushFlags) error {
	s, err := c.logSource(f)
	if err != nil {
		return err
	}
	if err := c.pushFile(ctx, s, path, o); err != nil {
		return err
	}
	c.ui.message(walMessage{"wal_pushed", path})
	return nil
}

// pushFile hands a file to the holdfast that runs for its source, or archives
// it itself if there is none.
func (c *command) pushFile(ctx context.Context, s *logSource, path string, f pushFlags) error {
	// Servers run the command with hardly any environment: where there is no
	// place for a socket, nobody listens.
	socket, err := walSocket(s)
	if err == nil {
		if err = wal.HandTo(ctx, socket, wal.Request{Path: path, Rule: walRule(s), Mark: f.mark}); !errors.Is(err, wal.ErrNobody) {
			return err
		}
	}
	if c.ui.verbose > 0 {
		c.ui.warn("hand over", path, err)
	}
	archives, failed := c.openLogs(ctx, s)
	o, err := c.pushOptions(s, archives, f.ahead)
	if err != nil {
		return errors.Join(failed, err)
	}
	o.Mark = f.mark
	if failed != nil {
		return o.GiveUp(path, failed)
	}
	return wal.Push(ctx, path, o)
}
