package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast/internal/size"
	"holdfast/internal/upkeep"
	"holdfast/repository"
	"holdfast/repository/id"
)

// pruneFlags are the flags of `holdfast prune`, and of `holdfast forget` for
// its --prune.
type pruneFlags struct {
	maxUnused     size.Unused
	maxRepack     size.Bytes
	maxRepackFlag *pflag.Flag
	small         bool
	smallerThan   size.Bytes
	uncompressed  bool
	cacheableOnly bool
	includeCold   bool
	maxTime       time.Duration
	writer        writerFlags
}

func (f *pruneFlags) register(fl *pflag.FlagSet) {
	f.maxUnused = upkeep.DefaultMaxUnused()
	fl.Var(&f.maxUnused, "max-unused", "leave at most this much unused data: a `limit` such as 5%, 10G, 0 or unlimited")
	fl.Var(&f.maxRepack, "max-repack-size", "rewrite packs of at most this `size` in all (default: no limit)")
	f.maxRepackFlag = fl.Lookup("max-repack-size")
	f.maxRepackFlag.DefValue = ""
	fl.BoolVar(&f.small, "repack-small", false, "rewrite packs below 80% of the pack size, not only tiny ones")
	fl.Var(&f.smallerThan, "repack-smaller-than", "rewrite packs below this `size`, such as 4M (default: 4% of the pack size)")
	fl.Lookup("repack-smaller-than").DefValue = ""
	fl.BoolVar(&f.uncompressed, "repack-uncompressed", false, "rewrite all packs that hold something not compressed")
	fl.BoolVar(&f.cacheableOnly, "repack-cacheable-only", false, "rewrite no packs of file content, only those of folders")
	fl.BoolVar(&f.includeCold, "include-cold", false, "treat packs in colder storage classes as all others, whatever that costs")
	fl.DurationVar(&f.maxTime, "max-time", 0, "rewrite and delete for at most this `duration`, and leave the rest for another run (default: no limit)")
	fl.Lookup("max-time").DefValue = ""
	f.writer.register(fl)
}

func (f *pruneFlags) options(c *command) (upkeep.PruneOptions, error) {
	o := upkeep.PruneOptions{
		MaxUnused: f.maxUnused, RepackCacheableOnly: f.cacheableOnly,
		RepackSmall: f.small, RepackSmallerThan: f.smallerThan, RepackUncompressed: f.uncompressed, MaxTime: f.maxTime,
		Watch: c.watchUpkeep,
		Warn:  func(item string, err error) { c.ui.warn("prune", item, err) },
	}
	o.Cold = c.coldRules(f.includeCold)
	if f.maxRepackFlag.Changed {
		o.MaxRepack = &f.maxRepack
	}
	var err error
	o.Writer, err = f.writer.options()
	return o, err
}

func newPrune(c *command) *cobra.Command {
	var f pruneFlags
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "prune [flags]",
		Short: "Free the space of data that no snapshot needs",
		Long: `Find out what the snapshots need, and delete the rest.

Packs that hold nothing of use are deleted. Packs that are partly of use are
rewritten, those with the largest useless part first, until at most
--max-unused of what remains is useless.

Packs in colder storage classes are left alone, but for those that hold nothing
of use and cost nothing to delete; --include-cold takes them too. What is under
a retention is told: where versions are kept, its room is freed when that ends.

While a hold lasts nothing is pruned; see 'holdfast hold'.

Others may back up meanwhile. What takes long, finding out what is needed and
rewriting, is done beside them; prune has the repository for itself only to look
at what they added, and to delete, for about fifteen seconds at a time.

Prune may be killed at any instant: nothing is deleted before what replaces it
is stored. It refuses to work on a repository that lacks something its
snapshots need.`,
		Example: `  holdfast prune --dry-run
  holdfast prune --max-unused 10% --max-repack-size 50G`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := f.options(c)
			if err != nil {
				return err
			}
			return c.opened(cmd.Context(), func(ctx context.Context, r *repository.Repository) error {
				return c.prune(ctx, r, o, dryRun)
			})
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "delete nothing, only tell what would be done")
	return cmd
}

// prunePlanMessage tells what prune will do, or would.
type prunePlanMessage struct {
	MessageType string `json:"message_type"` // "prune_plan"
	DryRun      bool   `json:"dry_run"`
	upkeep.PruneStats
	FreedBytes       uint64  `json:"freed_bytes"`
	UnusedAfterBytes uint64  `json:"unused_after_bytes"`
	UnindexedPacks   []id.ID `json:"unindexed_packs,omitempty"`
	RepackPacks      []id.ID `json:"repack_packs,omitempty"`
	RemovePacks      []id.ID `json:"remove_packs,omitempty"`
}

// pruneSummary is the last message of prune.
type pruneSummary struct {
	MessageType   string  `json:"message_type"` // "summary"
	FreedBytes    uint64  `json:"freed_bytes"`
	TotalDuration float64 `json:"total_duration"` // seconds
	// AloneDuration is for how many seconds, at the longest, nobody else could
	// work in the repository.
	AloneDuration float64 `json:"alone_duration"`
	// Cut tells that the time was up, and that there is more to do.
	Cut bool `json:"cut,omitempty"`
}

// prune makes a plan, shows it and, unless this is a dry run, executes it.
func (c *command) prune(ctx context.Context, r *repository.Repository, o upkeep.PruneOptions, dryRun bool) error {
	return c.inTurns(r, dryRun, func(t *turns) error {
		return c.pruneInTurns(ctx, r, o, dryRun, t)
	})
}

// pruneInTurns is prune as a part of work that takes turns with others.
func (c *command) pruneInTurns(ctx context.Context, r *repository.Repository, o upkeep.PruneOptions, dryRun bool, t *turns) error {
	start := time.Now()
	turns := upkeep.Turns{
		Locks: t,
		Planned: func(ctx context.Context, p *upkeep.PrunePlan) (bool, error) {
			return !dryRun, c.planned(ctx, t, p, dryRun)
		},
		Allowed: func(ctx context.Context) error { return mayPrune(t.heldNow(ctx)) },
	}
	p, err := upkeep.Prune(ctx, r, o, turns)
	if err != nil || dryRun {
		return err
	}
	if err := t.Locked(ctx, repository.Shared, func(ctx context.Context) error { return c.afterPrune(ctx, r) }); err != nil {
		return err
	}
	if err := t.end(nil); err != nil {
		return err
	}
	c.ui.message(pruneSummary{"summary", p.Stats.Freed(), time.Since(start).Seconds(), t.longest.Seconds(), p.Cut()})
	if p.Cut() {
		c.ui.infof("the time is up: run the command again for the rest")
	}
	if !p.NothingToDo() {
		c.ui.infof("done in %s, of which %s at a time without others", size.FormatDuration(time.Since(start)), size.FormatDuration(t.longest))
	}
	return nil
}

// planned shows a plan, unless something is held.
func (c *command) planned(ctx context.Context, t *turns, p *upkeep.PrunePlan, dryRun bool) error {
	if !p.NothingToDo() { // holds are asked for only then: each request costs
		if err := mayPrune(t.held(ctx)); err != nil {
			if !dryRun || !errors.Is(err, upkeep.ErrHeld) {
				return err
			}
			c.ui.warn("prune", "", err)
		}
	}
	c.showPrune(p, dryRun)
	return nil
}

func (c *command) showPrune(p *upkeep.PrunePlan, dryRun bool) {
	s := &p.Stats
	m := prunePlanMessage{
		MessageType: "prune_plan", DryRun: dryRun, PruneStats: *s,
		FreedBytes: s.Freed(), UnusedAfterBytes: s.UnusedAfter(),
	}
	if c.ui.verbose > 0 {
		m.UnindexedPacks, m.RepackPacks, m.RemovePacks = p.Unindexed(), p.Repack(), p.Remove()
		c.listPacks("delete, not in the index", m.UnindexedPacks)
		c.listPacks("rewrite", m.RepackPacks)
		c.listPacks("delete", m.RemovePacks)
	}
	c.ui.message(m)
	row := func(what string, a upkeep.Amount) {
		c.ui.infof("%-22s %9d blobs  %12s", what, a.Count, size.FormatBytes(a.Bytes))
	}
	row("used:", s.Used)
	if s.Duplicate.Count > 0 {
		row("stored again:", s.Duplicate)
	}
	row("unused:", s.Unused)
	if s.Unindexed.Count > 0 {
		c.ui.infof("%-22s %9d packs  %12s", "not in the index:", s.Unindexed.Count, size.FormatBytes(s.Unindexed.Bytes))
	}
	c.showSpared(s)
	if p.NothingToDo() {
		c.ui.infof("nothing to do")
		return
	}
	c.ui.infof("%-22s %9d packs  %12s, of which %s go", "to rewrite:", s.PacksRepack, size.FormatBytes(s.Repack.Bytes), size.FormatBytes(s.RepackRemoved.Bytes))
	c.ui.infof("%-22s %9d packs  %12s", "to delete:", s.PacksRemove, size.FormatBytes(s.Remove.Bytes))
	c.ui.infof("%-22s %9d index files", "to replace:", s.IndexFiles)
	c.ui.infof("%-22s %29s, and %s of unused data stay", verb(dryRun, "frees:", "would free:"), size.FormatBytes(s.Freed()), size.FormatBytes(s.UnusedAfter()))
}

// showSpared tells of the packs that stay, or whose bytes do, although they
// are of no use.
func (c *command) showSpared(s *upkeep.PruneStats) {
	if s.Cold.Count > 0 {
		c.ui.infof("%-22s %9d packs  %12s of no use, left alone; see --include-cold", "in cold classes:", s.Cold.Count, size.FormatBytes(s.Cold.Bytes))
	}
	if s.ColdFee > 0 {
		c.ui.infof("%-22s %29s for deleting before the shortest time of their class", "fee:", fmt.Sprintf("about $%.2f", s.ColdFee))
	}
	if s.Locked.Count == 0 {
		return
	}
	what := "are freed when their retention ends"
	if s.LockedStay {
		what = "stay until their retention ends"
	}
	c.ui.infof("%-22s %9d packs  %12s %s, at %s", "retained:", s.Locked.Count, size.FormatBytes(s.Locked.Bytes), what, s.LockedUntil.Local().Format(time.DateOnly))
}

func (c *command) listPacks(what string, packs []id.ID) {
	for _, i := range packs {
		c.ui.infof("%s: pack %s", what, i)
	}
}

// verb returns how something is said that happens, or would.
func verb(dryRun bool, does, would string) string {
	if dryRun {
		return would
	}
	return does
}
