package cli

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/lifecycle"
	"holdfast/internal/size"
	"holdfast/storage"
)

func newStorageUndelete(c *command) *cobra.Command {
	var at asOfFlag
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "undelete --as-of TIME [flags] [PLACE]",
		Short: "Make a place hold again what it held at a time",
		Long: `Bring back, for good, every object that was deleted since a time, and put the
content back of those that were replaced. What was added since stays, and locks
do not come back. It is for places that keep versions; after an attack, choose a
time before it and look first:

  holdfast snapshots --as-of "2026-11-03 14:00"

It may be cut off at any instant: run it again. Afterwards, ` + "`holdfast check`" + ` tells
whether all is there. What forget and prune deleted since that time comes back
as well; run them again.`,
		Example: `  holdfast storage undelete offsite --as-of "2026-11-03 14:00" --dry-run
  holdfast storage undelete offsite --as-of 36h`,
		Args: c.onePlace,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if at.IsZero() {
				return errors.New("as it was when? Give a time before the damage with --as-of")
			}
			return c.runUndelete(cmd.Context(), at.Time, dryRun)
		},
	}
	fl := cmd.Flags()
	fl.Var(&at, "as-of", "the `time`, such as \"2026-11-03 14:00\" or 36h (ago)")
	fl.Lookup("as-of").DefValue = ""
	fl.BoolVarP(&dryRun, "dry-run", "n", false, "bring nothing back, only tell what would come back")
	return cmd
}

// undeleteMessage tells what comes back, or would.
type undeleteMessage struct {
	MessageType string    `json:"message_type"` // "undelete_plan", then "summary"
	DryRun      bool      `json:"dry_run,omitempty"`
	AsOf        time.Time `json:"as_of"`
	Objects     int       `json:"objects"`
	Missing     int       `json:"missing"`
	Replaced    int       `json:"replaced"`
	Bytes       int64     `json:"bytes"`
	Restored    uint64    `json:"restored"`
}

func (c *command) runUndelete(ctx context.Context, t time.Time, dryRun bool) error {
	p, err := c.place()
	if err != nil {
		return err
	}
	then := *c
	then.global.asOf = asOfFlag{t}
	past, err := then.openStore(ctx, p, false)
	if err != nil {
		return err
	}
	store, err := c.openStore(ctx, p, false)
	if err != nil {
		return errors.Join(err, storage.Close(past))
	}
	return errors.Join(c.undelete(ctx, store, past, t, dryRun), storage.Close(store), storage.Close(past))
}

func (c *command) undelete(ctx context.Context, store, past storage.Store, t time.Time, dryRun bool) error {
	plan, err := lifecycle.PlanUndelete(ctx, store, past, t)
	if err != nil {
		return err
	}
	m := undeleteMessage{"undelete_plan", dryRun, t, plan.Objects, len(plan.Missing), len(plan.Replaced), plan.Bytes(), 0}
	c.ui.message(m)
	c.ui.infof("%s at %s; since then %d were deleted and %d replaced (%s)", countOf(m.Objects, "object"),
		t.Local().Format(time.DateTime), m.Missing, m.Replaced, size.FormatBytes(uint64(m.Bytes))) //nolint:gosec // sizes are not negative
	if c.ui.verbose > 0 {
		for _, i := range plan.Missing {
			c.ui.infof("deleted   %s", i.Key)
		}
		for _, i := range plan.Replaced {
			c.ui.infof("replaced  %s", i.Key)
		}
	}
	if dryRun || m.Missing+m.Replaced == 0 {
		return nil
	}
	var done atomic.Uint64
	total := work{items: uint64(m.Missing + m.Replaced)} //nolint:gosec // counts are not negative
	shown := c.startProgress("undelete", total, func() work { return work{items: done.Load()} })
	err = plan.Execute(ctx, &done)
	shown.stop()
	m.MessageType, m.Restored = "summary", done.Load()
	c.ui.message(m)
	c.ui.infof("%d objects are back; `holdfast check` tells whether all is there", m.Restored)
	return err
}
