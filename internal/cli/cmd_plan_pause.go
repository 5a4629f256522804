package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/app/service"
	"holdfast/internal/controller"
)

// pauseFlags are the flags of `holdfast plan pause`.
type pauseFlags struct {
	state  stateFlag
	reason string
	length time.Duration
}

func newPlanPause(c *command) *cobra.Command {
	var f pauseFlags
	cmd := &cobra.Command{
		Use:   "pause [flags] PLAN",
		Short: "Let the service begin nothing of a plan",
		Long: `Let ` + "`holdfast serve`" + ` begin nothing of a plan until ` + "`holdfast plan resume`" + `, or for
some time. What runs goes on to its end, and what a person starts is started.

Archiving a database's log goes on: the server would keep what is not archived,
until its disk is full.

The pause is kept by the service and, below holdfast/ in it, by the plan's
repository, so that it outlives the loss of the service's state.`,
		Example: "  holdfast plan pause shop --reason \"the array is rebuilt\" --for 12h",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.pausePlan(cmd.Context(), &f, args[0])
		},
	}
	f.state.register(cmd)
	cmd.Flags().StringVar(&f.reason, "reason", "", "`why`, for whoever sees the pause")
	cmd.Flags().DurationVar(&f.length, "for", 0, "resume by itself after this `duration`")
	return cmd
}

func newPlanResume(c *command) *cobra.Command {
	var state stateFlag
	cmd := &cobra.Command{
		Use:     "resume [flags] PLAN",
		Short:   "Let the service go on with a paused plan",
		Long:    "Let `holdfast serve` go on with a plan that was paused. What it missed is caught up, once.",
		Example: "  holdfast plan resume shop",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.setPause(cmd.Context(), state, args[0], nil)
		},
	}
	state.register(cmd)
	return cmd
}

func (c *command) pausePlan(ctx context.Context, f *pauseFlags, plan string) error {
	if f.length < 0 {
		return errors.New("--for is in the past")
	}
	p := &controller.Pause{Plan: plan, Since: time.Now().Round(time.Second), By: userName(), Reason: f.reason}
	if f.length > 0 {
		p.Until = p.Since.Add(f.length)
	}
	return c.setPause(ctx, f.state, plan, p)
}

// setPause pauses a plan, or resumes it: in the service, and for the case that
// its state is lost in the repository.
func (c *command) setPause(ctx context.Context, state stateFlag, plan string, p *controller.Pause) error {
	cfg, err := c.loadConfig()
	if err != nil {
		return err
	}
	configured, ok := cfg.Plans[plan]
	if !ok {
		return fmt.Errorf("%s has no plan %q; it has %s", cfg.Path, plan, strings.Join(slices.Sorted(maps.Keys(cfg.Plans)), ", "))
	}
	dir, err := state.state(c)
	if err != nil {
		return err
	}
	if err := dir.SetPause(ctx, plan, p); err != nil {
		return err
	}
	if err := c.keepPause(ctx, c.namedPlace(configured.Repository, cfg.Repositories[configured.Repository]), plan, p); err != nil {
		c.ui.warn("pause", configured.Repository, fmt.Errorf("the repository does not know of it, so it would be lost with the state of the service: %w", err))
	}
	if p == nil {
		c.ui.infof("plan %s goes on", plan)
		return nil
	}
	until := "`holdfast plan resume " + plan + "`"
	if !p.Until.IsZero() {
		until = p.Until.Local().Format(time.DateTime)
	}
	c.ui.infof("plan %s is paused until %s", plan, until)
	return nil
}

// keepPause keeps a pause in a repository, or removes it there.
func (c *command) keepPause(ctx context.Context, at place, plan string, p *controller.Pause) error {
	r, err := c.openPlace(ctx, at)
	if err != nil {
		return err
	}
	return errors.Join(service.KeepPause(ctx, r, plan, p), r.Close())
}

// userName is who runs this command, as far as it can be told.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprint("user ", os.Getuid())
}
