package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/upkeep"
	"holdfast/repository"
	"holdfast/storage"
	"holdfast/storage/immutable"
)

func newStorageExtend(c *command) *cobra.Command {
	var all, dryRun bool
	cmd := &cobra.Command{
		Use:   "extend [flags] [PLACE]",
		Short: "Extend the retention of everything that snapshots need",
		Long: `Extend the retention of every object that a snapshot still needs and of which
less than half of the period is left, as "immutable" in holdfast.yaml says. Old
data that new snapshots share would otherwise lapse, for all that the snapshots
are new. What nobody needs is left to lapse, so that prune can free it.

Backup, copy and prune do this at their end. Run it by itself, every week or so,
for repositories into which nothing is backed up any more.

Until when objects are retained is remembered in the cache; --all asks the service
about each.`,
		Example: "  holdfast storage extend offsite\n  holdfast storage extend offsite --all",
		Args:    c.onePlace,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.work(cmd.Context(), repository.Shared, func(ctx context.Context, r *repository.Repository) error {
				if _, ok := storage.As[*immutable.Store](r.Store()); !ok {
					return errors.New("nothing says how long objects are retained: write immutable: { mode: governance, for: 35d } to the repository in holdfast.yaml, and name it here")
				}
				return c.extend(ctx, r, all, dryRun)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "ask the service about every object, whatever is remembered")
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "extend nothing, only tell how much there is to do")
	return cmd
}

// retainMessage tells what was extended, or would be.
type retainMessage struct {
	MessageType string `json:"message_type"` // "retentions"
	DryRun      bool   `json:"dry_run,omitempty"`
	upkeep.RetainStats
	Until time.Time `json:"until"`
}

// keepLocked extends the retentions at a place that is immutable, and does
// nothing at others. The command that calls it has done its work by then: what
// fails here is a warning, and the next run tries again.
func (c *command) keepLocked(ctx context.Context, r *repository.Repository) {
	if _, ok := storage.As[*immutable.Store](r.Store()); !ok {
		return
	}
	if err := c.extend(ctx, r, false, false); err != nil && ctx.Err() == nil {
		c.ui.warn("extend", "", fmt.Errorf("the retention of some older objects could not be extended: %w; `holdfast storage extend` tries again", err))
	}
}

func (c *command) extend(ctx context.Context, r *repository.Repository, all, dryRun bool) error {
	s, ok := storage.As[*immutable.Store](r.Store())
	if !ok {
		return nil
	}
	policy, now := s.Policy(), time.Now()
	until := policy.Until(now)
	p, err := upkeep.PlanRetain(ctx, r, upkeep.RetainOptions{
		Until: until, RenewBefore: now.Add(policy.For / 2), Put: s.Locked(), All: all,
		Watch: c.watchUpkeep,
		Warn:  func(item string, err error) { c.ui.warn("extend", item, err) },
	})
	if err != nil {
		return err
	}
	if !dryRun {
		err = p.Execute(ctx)
	}
	c.ui.message(retainMessage{"retentions", dryRun, p.Stats, until.Until})
	switch {
	case dryRun:
		c.ui.infof("%s, of which %d would be looked at and extended to %s where too little is left", countOf(p.Stats.Objects, "object"), p.Stats.Needed, until.Until.Local().Format(time.DateOnly))
	case p.Stats.Extended > 0:
		c.ui.infof("extended the retention of %d of %s to %s", p.Stats.Extended, countOf(p.Stats.Objects, "object"), until.Until.Local().Format(time.DateOnly))
	case c.ui.verbose > 0:
		c.ui.infof("the retention of all of %s is long enough", countOf(p.Stats.Objects, "object"))
	}
	return err
}
