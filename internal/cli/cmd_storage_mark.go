package cli

import (
	"context"

	"github.com/spf13/cobra"

	"holdfast/internal/upkeep"
	"holdfast/repository"
)

func newStorageMark(c *command) *cobra.Command {
	var o upkeep.MarkOptions
	cmd := &cobra.Command{
		Use:   "mark [flags] [PLACE]",
		Short: "Mark packs that other programs wrote, so that they can move to a colder class",
		Long: `Mark the packs of file content that other programs wrote, restic for one, as
holdfast marks its own: the rule that moves packs to a colder class goes by the
mark. Packs of folders, which every command reads, are not marked.

Prune does this where holdfast.yaml says "tiers". Which packs are marked is
remembered in the cache; --all asks the service about each.`,
		Example: "  holdfast storage mark offsite --dry-run\n  holdfast storage mark offsite",
		Args:    c.onePlace,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.work(cmd.Context(), repository.Shared, func(ctx context.Context, r *repository.Repository) error {
				if err := r.LoadIndex(ctx); err != nil {
					return err
				}
				return c.mark(ctx, r, o)
			})
		},
	}
	cmd.Flags().BoolVar(&o.All, "all", false, "ask the service about every pack, whatever is remembered")
	cmd.Flags().BoolVarP(&o.DryRun, "dry-run", "n", false, "mark nothing, only tell how many packs would be marked")
	return cmd
}

// markMessage tells what was marked, or would be.
type markMessage struct {
	MessageType string `json:"message_type"` // "marks"
	DryRun      bool   `json:"dry_run,omitempty"`
	upkeep.MarkStats
}

func (c *command) mark(ctx context.Context, r *repository.Repository, o upkeep.MarkOptions) error {
	o.Watch = c.watchUpkeep
	o.Warn = func(item string, err error) { c.ui.warn("mark", item, err) }
	stats, err := upkeep.MarkBulk(ctx, r, o)
	if err != nil {
		return err
	}
	c.ui.message(markMessage{"marks", o.DryRun, stats})
	if stats.Marked > 0 || c.ui.verbose > 0 {
		c.ui.infof("%s %d of %s of file content", verb(o.DryRun, "marked", "would mark"), stats.Marked, countOf(stats.Packs, "pack"))
	}
	return nil
}
