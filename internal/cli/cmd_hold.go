package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/hold"
	"holdfast/internal/upkeep"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

func newHold(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hold",
		Short: "Keep snapshots from being removed for the time being",
		Long: `A hold keeps snapshots from being removed: while it lasts forget removes none
of its plan and source, rewrite --forget, repair snapshots --forget and tag put
none in their place, prune frees nothing in the repository, and copy --mirror
--delete removes nothing from its mirrors.

holdfast places one by itself when a backup is so unlike those before it that
somebody must look (anomaly in holdfast.yaml): files encrypted or deleted,
tables emptied. Look at what the backup holds, with 'holdfast diff' for
instance. If it is right release the hold: the backup then counts as usual. If it
is not restore from the snapshot that the hold names as the last good one.`,
	}
	cmd.AddCommand(newHoldList(c), newHoldPlace(c), newHoldRelease(c))
	return cmd
}

// holdMessage tells of one hold.
type holdMessage struct {
	MessageType string `json:"message_type"` // "hold", "hold_placed" or "hold_released"
	hold.Hold
}

func newHoldList(c *command) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the holds of a repository that last",
		Long:    `List what is held in a repository, since when, and why.`,
		Example: "  holdfast hold list",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.work(cmd.Context(), repository.Shared, c.listHolds)
		},
	}
}

func (c *command) listHolds(ctx context.Context, r *repository.Repository) error {
	active, err := hold.Active(ctx, r)
	if err != nil {
		return err
	}
	rows := make([][]string, 0, len(active))
	for _, h := range active {
		c.ui.message(holdMessage{"hold", h})
		lastGood := ""
		if h.LastGood != nil {
			lastGood = h.LastGood.Short()
		}
		rows = append(rows, []string{h.ID, h.Time.Local().Format(time.DateTime), h.Of(), lastGood, h.Reason})
	}
	if len(rows) == 0 {
		c.ui.infof("nothing is held")
		return nil
	}
	c.ui.table([]string{"ID", "Since", "Held", "Last good", "Reason"}, rows)
	return nil
}

func newHoldPlace(c *command) *cobra.Command {
	var h hold.Hold
	cmd := &cobra.Command{
		Use:   "place [flags]",
		Short: "Hold the snapshots of a plan, a source, or all",
		Long: `Hold the snapshots of a plan, of a source, of both, or all snapshots of the
repository, until 'holdfast hold release'.`,
		Example: `  holdfast hold place --plan shop --reason "case 4711: nothing may be removed"`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h.By, h.Reason = hold.Person, strings.TrimSpace(h.Reason)
			if h.Reason == "" {
				return errors.New("say why with --reason: others will ask")
			}
			return c.work(cmd.Context(), repository.Shared, func(ctx context.Context, r *repository.Repository) error {
				placed, err := hold.Place(ctx, r, h)
				if err != nil {
					return err
				}
				c.ui.message(holdMessage{"hold_placed", *placed})
				c.ui.infof("hold %s: %s", placed.ID, placed.Of())
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&h.Plan, "plan", "", "hold the snapshots of this `plan`")
	cmd.Flags().StringVar(&h.Source, "source", "", "hold the snapshots of this `source`")
	cmd.Flags().StringVar(&h.Reason, "reason", "", "why, in one `line`")
	return cmd
}

func newHoldRelease(c *command) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "release [flags] ID...",
		Short: "End holds: snapshots may be removed again",
		Long: `End holds, by the IDs that 'holdfast hold list' shows. The hold and its end stay
on record in the repository.

The backup that an anomaly was seen in counts from then on as one like others.`,
		Example: `  holdfast hold release 4kq2hc7a --reason "the archive was moved on purpose"`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return c.work(cmd.Context(), repository.Shared, func(ctx context.Context, r *repository.Repository) error {
				return c.releaseHolds(ctx, r, ids, whoReleases(reason))
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, in one `line`")
	return cmd
}

func (c *command) releaseHolds(ctx context.Context, r *repository.Repository, ids []string, reason string) error {
	for _, holdID := range ids {
		h, err := hold.Release(ctx, r, holdID, hold.Person, reason)
		if errors.Is(err, hold.ErrNone) {
			err = fmt.Errorf("%w; `holdfast hold list` shows those that last", err)
		}
		if err != nil {
			return err
		}
		c.ui.message(holdMessage{"hold_released", *h})
		c.ui.infof("released %s: %s", h.ID, h.Of())
	}
	return nil
}

// whoReleases puts on record who ends a hold.
func whoReleases(reason string) string {
	if reason == "" {
		return "released by " + whoIsHere()
	}
	return reason + " (" + whoIsHere() + ")"
}

// held returns what holds back snapshots, for forget.
func held(active []hold.Hold) func(*snapshot.Snapshot) string {
	if len(active) == 0 {
		return nil
	}
	return func(s *snapshot.Snapshot) string { return hold.Held(active, s) }
}

// noneHeld returns an error when any of the snapshots that a command takes the
// place of is held.
func (c *command) noneHeld(ctx context.Context, r *repository.Repository, chosen []*snapshot.Snapshot) error {
	active, err := hold.Active(ctx, r)
	if err != nil {
		return err
	}
	for _, s := range chosen {
		if why := hold.Held(active, s); why != "" {
			return fmt.Errorf("snapshot %s of %s %w: %s; it stays as it is; `holdfast hold release` ends a hold",
				s.ID.Short(), s.Time.Local().Format(time.DateTime), upkeep.ErrHeld, why)
		}
	}
	return nil
}

// mayPrune returns an error while anything in the repository is held: what is
// forgotten but not pruned can still be brought back.
func mayPrune(active []hold.Hold, err error) error {
	if err != nil || len(active) == 0 {
		return err
	}
	h := active[0]
	return fmt.Errorf("nothing is pruned: %s %w since %s: %s; look into it, then `holdfast hold release %s`",
		h.Of(), upkeep.ErrHeld, h.Time.Local().Format(time.DateTime), h.Reason, h.ID)
}
