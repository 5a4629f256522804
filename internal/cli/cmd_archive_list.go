package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/archive"
	"holdfast/internal/size"
)

func newArchiveList(c *command) *cobra.Command {
	return &cobra.Command{
		Use:   "list [flags] PLACE",
		Short: "List the archives in a place",
		Long: `List the archives in a place, oldest first. Nothing but their manifests is
read. Those that are not complete are named, and so are those that need an
archive that is not there; the exit code is then 1.`,
		Example: "  holdfast archive list /mnt/tape",
		Args:    wantArgs(1, 1, "a place"),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.runArchiveList(cmd.Context(), args[0]) },
	}
}

func (c *command) runArchiveList(ctx context.Context, at string) error {
	open, _, err := c.openShelves(ctx, []string{at})
	if err != nil {
		return err
	}
	return errors.Join(c.archiveList(ctx, open), open.close())
}

func (c *command) archiveList(ctx context.Context, open shelves) error {
	list, err := open[0].List(ctx)
	if err != nil {
		return err
	}
	var rows [][]string
	var bad []error
	for _, a := range list {
		if a.Err == nil {
			_, a.Err = archive.Chain(ctx, a.Name, open)
		}
		if a.Err != nil {
			bad = append(bad, a.Err)
		}
		m := a.Manifest
		if m == nil {
			continue
		}
		c.ui.message(archiveMessage{MessageType: "archive", Place: open[0].Store.Location(), Manifest: m, Bytes: m.Bytes()})
		parent, expires := "", ""
		if m.Parent != nil {
			parent = m.Parent.Name
		}
		if m.Expires != nil {
			expires = m.Expires.Local().Format(time.DateOnly)
		}
		rows = append(rows, []string{
			m.Name, m.Snapshot.Time.Local().Format(timeFormat), m.Snapshot.ID.Short(), string(m.Kind),
			size.FormatBytes(uint64(m.Bytes())), fmt.Sprint(len(m.Parts)), expires, parent, //nolint:gosec // never negative
		})
	}
	if len(list) == 0 {
		c.ui.infof("there are no archives in %s", open[0].Store.Location())
	}
	if !c.ui.json && len(rows) > 0 {
		c.ui.table([]string{"Name", "Time", "Snapshot", "Type", "Size", "Parts", "Expires", "Relative to"}, rows)
	}
	for _, err := range bad {
		c.ui.warn("list", "", err)
	}
	if len(bad) > 0 {
		return fmt.Errorf("%d of %s cannot be relied on; each is named above", len(bad), countOf(len(list), "archive"))
	}
	return nil
}
