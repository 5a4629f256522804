package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast/internal/app"
	"holdfast/internal/config"
	"holdfast/internal/retention"
	"holdfast/internal/upkeep"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// forgetFlags are the flags of `holdfast forget`.
type forgetFlags struct {
	policy    retention.Policy
	keepTags  []string
	chosen    selectFlags
	groupBy   string
	plan      string
	removeAll bool
	dryRun    bool
	prune     bool
	pruning   pruneFlags
	guards    guardFlags
	compact   bool
}

func newForget(c *command) *cobra.Command {
	var f forgetFlags
	cmd := &cobra.Command{
		Use:   "forget [flags] [SNAPSHOT...]",
		Short: "Remove snapshots that a policy does not keep",
		Long: `Remove snapshots: those named, or those that no --keep rule keeps.

With --plan the policy is what holdfast.yaml says for the repository in that
plan: ` + "`keep`" + ` of its entry in ` + "`copies`" + `, or else of the plan; only snapshots of the
plan are looked at.

The policy is asked about each group of snapshots by itself: those of the same
host and paths, unless --group-by says otherwise. A snapshot stays if any one
rule keeps it; the output says which. Durations are written like 1y5m7d2h and
end at the newest snapshot of the group. Snapshots dated in the future stay
and are not counted.

Three guards stand against whoever can add snapshots but not remove them, and so
would let good ones age out. Snapshots whose dates cannot be true are kept and
not counted: dated after they were stored, or stored after newer ones (they count
with --trust-times). A run that would remove more than --max-share of a group
stops. And the newest snapshot that was restored and found right stays.

Snapshots that are held stay in any case, and nothing is pruned while a hold
lasts; see 'holdfast hold'.

What the removed snapshots alone needed stays in the repository until it is
pruned: with --prune at once.`,
		Example: `  holdfast forget --keep-within 14d --keep-weekly 8 --keep-monthly 12 --dry-run
  holdfast forget --host www --keep-last 5 --prune
  holdfast forget -r offsite --plan shop --prune
  holdfast forget 3f9a0c11`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.runForget(cmd.Context(), &f, args) },
	}
	fl := cmd.Flags()
	f.registerPolicy(fl)
	f.chosen.register(fl, "")
	fl.StringVarP(&f.groupBy, "group-by", "g", "host,paths", "what divides snapshots into groups: `host,paths,tags`")
	fl.StringVar(&f.plan, "plan", "", "use what holdfast.yaml says to keep of this `plan` in the repository")
	fl.BoolVar(&f.removeAll, "unsafe-allow-remove-all", false, "without any --keep rule, remove all snapshots that --host, --tag and --path choose")
	fl.BoolVarP(&f.dryRun, "dry-run", "n", false, "remove nothing, only tell what would be removed")
	fl.BoolVarP(&f.compact, "compact", "c", false, "leave out the paths of snapshots")
	fl.BoolVar(&f.prune, "prune", false, "prune the repository when snapshots were removed")
	f.guards.register(fl)
	f.pruning.register(fl)
	return cmd
}

func (f *forgetFlags) registerPolicy(fl *pflag.FlagSet) {
	p := &f.policy
	for _, rule := range []struct {
		count  *retention.Count
		period string
		short  string
	}{
		{&p.Last, "last", "l"},
		{&p.Hourly, "hourly", "H"},
		{&p.Daily, "daily", "d"},
		{&p.Weekly, "weekly", "w"},
		{&p.Monthly, "monthly", "m"},
		{&p.Yearly, "yearly", "y"},
	} {
		fl.VarP(rule.count, "keep-"+rule.period, rule.short, "keep the `n` "+rule.period+" snapshots that are newest, or unlimited")
	}
	fl.Var(&p.Within, "keep-within", "keep all snapshots within a `duration` before the newest")
	for _, rule := range []struct {
		within *retention.Duration
		period string
	}{
		{&p.WithinHourly, "hourly"},
		{&p.WithinDaily, "daily"},
		{&p.WithinWeekly, "weekly"},
		{&p.WithinMonthly, "monthly"},
		{&p.WithinYearly, "yearly"},
	} {
		fl.Var(rule.within, "keep-within-"+rule.period, "keep "+rule.period+" snapshots within a `duration` before the newest")
	}
	fl.StringArrayVar(&f.keepTags, "keep-tag", nil, "keep snapshots with all of these `tag[,tag]` (may be repeated)")
}

func (c *command) runForget(ctx context.Context, f *forgetFlags, args []string) error {
	groupBy, err := snapshot.ParseGroupBy(f.groupBy)
	if err != nil {
		return err
	}
	for _, list := range f.keepTags {
		f.policy.Tags = append(f.policy.Tags, retention.ParseTagList(list))
	}
	cfg, err := c.policyOfPlan(f, args)
	if err != nil {
		return err
	}
	if len(args) > 0 && !f.policy.Empty() {
		return fmt.Errorf("name snapshots or give --keep rules, not both")
	}
	pruning, err := f.pruning.options(c)
	if err != nil {
		return err
	}
	if !f.dryRun && c.global.noLock {
		return errNeedsLock
	}
	return c.opened(ctx, func(ctx context.Context, r *repository.Repository) error {
		decide := func(ctx context.Context, t *turns, all []*snapshot.Snapshot) (*upkeep.ForgetPlan, error) {
			if cfg != nil {
				all = app.SnapshotsOf(cfg, f.plan, all)
			}
			guards, err := c.guards(ctx, t, f, all)
			if err != nil {
				return nil, err
			}
			return f.decide(all, groupBy, guards, args)
		}
		return c.forget(ctx, r, decide, pruning, f)
	})
}

// policyOfPlan takes the policy from a plan, if one is named, and returns the
// configuration that has it.
func (c *command) policyOfPlan(f *forgetFlags, args []string) (*config.Config, error) {
	if f.plan == "" {
		return nil, nil //nolint:nilnil // no plan is the usual case
	}
	if len(args) > 0 || !f.policy.Empty() || f.removeAll {
		return nil, errors.New("--plan says what to keep: leave out snapshots, --keep rules and --unsafe-allow-remove-all")
	}
	cfg, err := c.loadConfig()
	if err != nil {
		return nil, err
	}
	p, err := c.place()
	if err != nil {
		return nil, err
	}
	plan, ok := cfg.Plans[f.plan]
	if !ok {
		return nil, fmt.Errorf("there is no plan %q in %s", f.plan, cfg.Path)
	}
	names := plan.Repositories()
	k := slices.IndexFunc(names, func(name string) bool { return cfg.Repositories[name].URL == p.url })
	if k < 0 {
		return nil, fmt.Errorf("plan %q brings nothing to the repository at %s; name one of its repositories with -r", f.plan, p.url)
	}
	f.chosen.anyHost = true
	if f.policy = plan.KeepIn(names[k]); f.policy.Empty() {
		return nil, fmt.Errorf("plan %q does not say what to keep there: everything stays", f.plan)
	}
	return cfg, nil
}

// decide says which snapshots go: those named, or those that the policy does
// not keep.
func (f *forgetFlags) decide(all []*snapshot.Snapshot, groupBy snapshot.GroupBy, guards upkeep.Guards, args []string) (*upkeep.ForgetPlan, error) {
	if len(args) > 0 {
		named, err := f.chosen.choose(all, args)
		if err != nil {
			return nil, err
		}
		plan := upkeep.PlanForgetThese(named)
		if !f.removeAll {
			err = plan.GuardNamed(all, groupBy, guards)
		}
		err = errors.Join(err, plan.GuardHeld(guards))
		return plan, explainGuard(err)
	}
	return upkeep.PlanForget(all, upkeep.ForgetOptions{
		Policy: f.policy, Filter: f.chosen.filter(), GroupBy: groupBy, AllowRemoveAll: f.removeAll, Now: time.Now(), Guards: guards,
	})
}

// forget shows a plan and, unless this is a dry run, executes it.
func (c *command) forget(ctx context.Context, r *repository.Repository, decide decideForget, pruning upkeep.PruneOptions, f *forgetFlags) error {
	return c.inTurns(r, f.dryRun, func(t *turns) error {
		return c.forgetInTurns(ctx, r, decide, pruning, f, t)
	})
}

// decideForget says which of all snapshots go.
type decideForget func(ctx context.Context, t *turns, all []*snapshot.Snapshot) (*upkeep.ForgetPlan, error)

func (c *command) forgetInTurns(ctx context.Context, r *repository.Repository, decide decideForget, pruning upkeep.PruneOptions, f *forgetFlags, t *turns) error {
	plan, err := upkeep.Forget(ctx, r, upkeep.ForgetTurns{
		Locks: t,
		Load:  func(ctx context.Context) ([]*snapshot.Snapshot, error) { return c.loadToForget(ctx, t) },
		Decide: func(ctx context.Context, all []*snapshot.Snapshot) (plan *upkeep.ForgetPlan, goOn bool, err error) {
			if plan, err = decide(ctx, t, all); err != nil {
				return nil, false, err
			}
			c.showForget(plan, f)
			if err = explainGuard(plan.Exceeds(guardedShare(f))); err != nil && f.dryRun {
				c.ui.warn("forget", "", err)
				err = nil
			}
			return plan, !f.dryRun, err
		},
		Held: func(ctx context.Context) (func(*snapshot.Snapshot) string, error) {
			active, err := t.held(ctx)
			return held(active), err
		},
	})
	if err != nil {
		return err
	}
	removed := plan.Remove()
	if byPolicy := !f.policy.Empty() || f.removeAll; byPolicy {
		c.ui.message(forgetMessage(plan))
	}
	if n := len(plan.Locked); n > 0 {
		c.ui.warn("forget", "", fmt.Errorf("%s stayed: a retention holds %s; run the command again when it has ended", countOf(n, "snapshot"), themOrIt(n)))
	}
	c.ui.infof("%s %s", verb(f.dryRun, "removed", "would remove"), countOf(len(removed)-len(plan.Locked), "snapshot"))
	if !f.prune || len(removed) == 0 {
		return nil
	}
	if f.dryRun {
		pruning.Without = plan.RemoveIDs()
	}
	return c.pruneInTurns(ctx, r, pruning, f.dryRun, t)
}

func themOrIt(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

// showForget prints, for each group, what stays and why, and what goes.
func (c *command) showForget(plan *upkeep.ForgetPlan, f *forgetFlags) {
	if !f.policy.Empty() {
		c.ui.infof("policy: %v", f.policy)
	}
	for i := range plan.Groups {
		g := &plan.Groups[i]
		if name := g.Key.String(); name != "" {
			c.ui.infof("\nsnapshots for %s", name)
		}
		c.showDecisions("keep", g.Keep(), f.compact)
		c.showDecisions(verb(f.dryRun, "remove", "would remove"), g.Remove(), f.compact)
		for _, d := range g.Keep() {
			if d.Forged != "" {
				c.ui.warn("forget", d.Snapshot.ID.Short(), fmt.Errorf("%s: a forged or a wrong date; the snapshot is kept and not counted; if the date was given on purpose, use --trust-times", d.Forged))
			}
			if d.Future {
				c.ui.warn("forget", d.Snapshot.ID.Short(), fmt.Errorf("the snapshot is dated %s, in the future: a clock is or was wrong; it is kept and not counted", d.Snapshot.Time.Format(time.DateTime)))
			}
		}
	}
}

func (c *command) showDecisions(what string, list []upkeep.ForgetDecision, compact bool) {
	if len(list) == 0 || c.ui.json || c.ui.quiet {
		return
	}
	c.ui.infof("\n%s %s:", what, countOf(len(list), "snapshot"))
	header := []string{"ID", "Time", "Host", "Tags", "Reasons", "Paths"}
	if compact {
		header = header[:len(header)-1]
	}
	var rows [][]string
	for _, d := range list {
		s := d.Snapshot
		row := []string{
			s.ID.Short(), s.Time.Local().Format(time.DateTime), s.Hostname, strings.Join(s.Tags, ","), strings.Join(d.Reasons, ", "), strings.Join(s.Paths, ", "),
		}
		rows = append(rows, row[:len(header)])
	}
	c.ui.table(header, rows)
}

// forgetGroup tells about one group, in restic's words.
type forgetGroup struct {
	Tags    []string       `json:"tags"`
	Host    string         `json:"host"`
	Paths   []string       `json:"paths"`
	Keep    []identified   `json:"keep"`
	Remove  []identified   `json:"remove"`
	Reasons []forgetReason `json:"reasons"`
}

// forgetReason tells why a snapshot is kept.
type forgetReason struct {
	Snapshot identified `json:"snapshot"`
	Matches  []string   `json:"matches"`
}

func forgetMessage(plan *upkeep.ForgetPlan) []forgetGroup {
	groups := []forgetGroup{}
	for i := range plan.Groups {
		g := &plan.Groups[i]
		m := forgetGroup{Tags: g.Key.Tags, Host: g.Key.Hostname, Paths: g.Key.Paths}
		for _, d := range g.Keep() {
			m.Keep = append(m.Keep, identified{d.Snapshot})
			m.Reasons = append(m.Reasons, forgetReason{identified{d.Snapshot}, d.Reasons})
		}
		for _, d := range g.Remove() {
			m.Remove = append(m.Remove, identified{d.Snapshot})
		}
		groups = append(groups, m)
	}
	return groups
}
