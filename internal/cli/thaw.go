package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"holdfast/internal/config"
	"holdfast/internal/lifecycle"
	"holdfast/internal/restore"
	"holdfast/internal/size"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// thawFlags say what happens to packs that have to be thawed before they can
// be read.
type thawFlags struct {
	thaw     bool
	wait     config.Duration
	keep     config.Duration
	priority string
}

func (f *thawFlags) register(fl *pflag.FlagSet) {
	f.keep = config.Duration(7 * 24 * time.Hour)
	fl.BoolVar(&f.thaw, "thaw", false, "have packs thawed that lie in a class that cannot be read at once, for which services charge")
	fl.Var(durationFlag{&f.wait}, "thaw-wait", "with --thaw, wait up to this `time`, such as 12h, and then restore (default: do not wait)")
	fl.Lookup("thaw-wait").DefValue = ""
	fl.Var(durationFlag{&f.keep}, "thaw-for", "keep the thawed copies for this `time`")
	fl.StringVar(&f.priority, "thaw-priority", "", "the service's own `name` of how quickly: Bulk, Standard or Expedited (default: its cheapest)")
}

// thawMessage tells what has to be thawed before a restore, or is thawing.
type thawMessage struct {
	MessageType string                      `json:"message_type"` // "thaw"
	Packs       int                         `json:"packs"`
	Bytes       int64                       `json:"bytes"`
	Classes     map[string]lifecycle.Amount `json:"classes"`
	Cold        int                         `json:"cold"`
	Thawing     int                         `json:"thawing"`
}

// thaw sees to it that the packs a restore needs can be read. With an error
// they cannot be read yet: another copy may hold them, or a later run finds
// them thawed.
func (c *command) thaw(ctx context.Context, r *repository.Repository, s *snapshot.Snapshot, o restore.Options, f *thawFlags) error {
	cold, err := lifecycle.AnyCold(ctx, r.Store(), "data/")
	if err != nil || !cold {
		return err
	}
	packs, err := restore.Packs(ctx, r, s, o)
	if err != nil {
		return err
	}
	keys := make([]string, 0, len(packs))
	for i := range packs {
		keys = append(keys, repository.PackFile.Key(i))
	}
	slices.Sort(keys)
	p, err := lifecycle.PlanThaw(ctx, r.Store(), keys)
	if err != nil {
		return err
	}
	if f.thaw && !o.DryRun {
		if err := p.Prolong(ctx, storage.ThawOptions{For: time.Duration(f.keep), Priority: f.priority}, time.Now()); err != nil {
			return err
		}
	} else if !p.ReadableUntil.IsZero() {
		c.ui.infof("thawed copies can be read until %s; --thaw has them kept for longer", p.ReadableUntil.Local().Format(timeFormat))
	}
	if p.NothingToDo() {
		return nil
	}
	total := p.Total()
	c.ui.message(thawMessage{"thaw", total.Objects, total.Bytes, p.Classes, len(p.Cold), len(p.Thawing)})
	what := fmt.Sprintf("%s (%s) of class %s", countOf(total.Objects, "pack"), size.FormatBytes(uint64(total.Bytes)), //nolint:gosec // sizes are not negative
		strings.Join(slices.Sorted(maps.Keys(p.Classes)), " and "))
	switch {
	case o.DryRun:
		c.ui.infof("%s would have to be thawed first", what)
		return nil
	case len(p.Cold) > 0 && !f.thaw:
		return &tryNextError{fmt.Errorf("%s must be thawed before they can be read, for which the service charges; run the restore with --thaw: nothing was restored yet", what)}
	}
	c.ui.infof("thawing %s", what)
	if err := c.askToThaw(ctx, p, f); err != nil {
		return err
	}
	if err := c.waitForThaw(ctx, p, f, what); err != nil {
		return err
	}
	return c.allThawed(ctx, r.Store(), keys)
}

// allThawed makes sure, after waiting for packs, that those which could be read
// before that can be read still.
func (c *command) allThawed(ctx context.Context, s storage.Store, keys []string) error {
	p, err := lifecycle.PlanThaw(ctx, s, keys)
	if err != nil || p.NothingToDo() {
		return err
	}
	return &tryNextError{fmt.Errorf("%s went cold again while others were thawed: run the same command again, with a longer --thaw-for", countOf(p.Total().Objects, "pack"))}
}

// askToThaw asks for everything at once.
func (c *command) askToThaw(ctx context.Context, p *lifecycle.ThawPlan, f *thawFlags) error {
	var asked atomic.Uint64
	shown := c.startProgress("thaw", work{items: uint64(len(p.Cold))}, func() work { return work{items: asked.Load()} })
	err := p.Execute(ctx, storage.ThawOptions{For: time.Duration(f.keep), Priority: f.priority}, &asked)
	shown.stop()
	if errors.Is(err, storage.ErrUnsupported) {
		return fmt.Errorf("%w; the priority may be one that the class does not know", err)
	}
	return err
}

// waitForThaw waits as long as the user wants to.
func (c *command) waitForThaw(ctx context.Context, p *lifecycle.ThawPlan, f *thawFlags, what string) error {
	total := uint64(len(p.Thawing))
	var left atomic.Int64
	left.Store(int64(total)) //nolint:gosec // counts are small
	shown := c.startProgress("wait for thawed packs", work{items: total}, func() work {
		return work{items: total - uint64(left.Load())} //nolint:gosec // never more are left than there were
	})
	err := p.Wait(ctx, time.Duration(f.wait), &left)
	shown.stop()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s are thawing, %d are left; that takes minutes to days, by class and priority; run the same command again: it goes on, and restores when all can be read (--thaw-wait waits for that)", what, left.Load())
	}
	return err
}
