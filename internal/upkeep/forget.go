package upkeep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/retention"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// ForgetOptions tell which snapshots a policy is asked about, and how.
type ForgetOptions struct {
	Policy retention.Policy
	// Filter chooses the snapshots that are looked at; the others stay.
	Filter snapshot.Filter
	// GroupBy divides them: each group has the policy for itself.
	GroupBy snapshot.GroupBy
	// AllowRemoveAll permits an empty policy, which removes everything that
	// Filter takes. Filter must not be empty then.
	AllowRemoveAll bool
	// Guards keep back what the policy would remove for a bad reason.
	Guards Guards
	// Now is the time after which snapshots count as dated in the future.
	Now time.Time
}

// ForgetPlan says which snapshots go, and why the others stay.
type ForgetPlan struct {
	Groups []ForgetGroup
	// Locked are snapshots that Execute could not remove, because a retention
	// holds them. They stay, and count for prune.
	Locked id.Set
}

// ForgetGroup is what the policy says about one group of snapshots.
type ForgetGroup struct {
	Key       snapshot.Key
	Decisions []ForgetDecision // newest first
}

// ForgetDecision is what becomes of one snapshot.
type ForgetDecision struct {
	retention.Decision
	Snapshot *snapshot.Snapshot
	// Forged says why the date of the snapshot cannot be true. Such a one is
	// kept because of that alone, and not counted.
	Forged string
}

var (
	errNoPolicy  = errors.New("no policy was given, so nothing is removed; --keep-last and the like say what to keep")
	errNoFilter  = errors.New("without a policy, all snapshots would go; say which ones with --host, --tag or --path")
	errRemoveAll = errors.New("the policy would remove every snapshot of the group; nothing was removed")
)

// PlanForget asks the policy about snapshots. A policy that keeps nothing is
// refused, and so is one that keeps nothing of some group.
func PlanForget(snapshots []*snapshot.Snapshot, o ForgetOptions) (*ForgetPlan, error) {
	switch {
	case o.Policy.Validate() != nil:
		return nil, o.Policy.Validate()
	case o.Policy.Empty() && !o.AllowRemoveAll:
		return nil, errNoPolicy
	case o.Policy.Empty() && o.Filter.IsZero():
		return nil, errNoFilter
	}
	plan := &ForgetPlan{}
	for _, group := range o.GroupBy.Divide(o.Filter.Select(snapshots)) {
		decided := decideGroup(group, &o)
		if !o.Policy.Empty() && decided.removesAll() {
			return nil, fmt.Errorf("%s: %w", group.Key, errRemoveAll)
		}
		plan.Groups = append(plan.Groups, decided)
	}
	return plan, nil
}

func decideGroup(group snapshot.Group, o *ForgetOptions) ForgetGroup {
	trusted := group.Snapshots
	var forged []ForgetDecision
	if !o.Policy.Empty() {
		trusted, forged = o.Guards.split(group.Snapshots, o.Now)
	}
	byID := make(map[string]*snapshot.Snapshot, len(trusted))
	var list []retention.Snapshot
	for _, s := range trusted {
		byID[s.ID.String()] = s
		list = append(list, retention.Snapshot{ID: s.ID.String(), Time: s.Time, Tags: tagsFor(o.Policy, s)})
	}
	decided := ForgetGroup{Key: group.Key}
	for _, d := range retention.Apply(o.Policy, list, o.Now, nil).Decisions {
		decided.Decisions = append(decided.Decisions, ForgetDecision{Decision: d, Snapshot: byID[d.Snapshot.ID]})
	}
	decided.Decisions = append(decided.Decisions, forged...)
	slices.SortStableFunc(decided.Decisions, func(a, b ForgetDecision) int { return b.Snapshot.Time.Compare(a.Snapshot.Time) })
	if !o.Policy.Empty() {
		o.Guards.keepProven(decided.Decisions)
		keepWindowStart(o.Policy, decided.Decisions)
	}
	o.Guards.keepHeld(decided.Decisions)
	return decided
}

// tagsFor returns the tags that a policy looks at: the user's, or all where
// it names a reserved one. So "no tags" means none of the user's.
func tagsFor(p retention.Policy, s *snapshot.Snapshot) []string {
	for _, list := range p.Tags {
		if slices.ContainsFunc(list, snapshot.IsReserved) {
			return s.Tags
		}
	}
	return s.UserTags()
}

func (g *ForgetGroup) removesAll() bool {
	var r retention.Result
	for _, d := range g.Decisions {
		if d.Forged == "" {
			r.Decisions = append(r.Decisions, d.Decision)
		}
	}
	return r.RemovesAll()
}

// Keep returns the decisions about the snapshots of a group that stay.
func (g *ForgetGroup) Keep() []ForgetDecision { return g.with(true) }

// Remove returns the decisions about those that go.
func (g *ForgetGroup) Remove() []ForgetDecision { return g.with(false) }

func (g *ForgetGroup) with(keep bool) []ForgetDecision {
	var some []ForgetDecision
	for _, d := range g.Decisions {
		if d.Keep == keep {
			some = append(some, d)
		}
	}
	return some
}

// PlanForgetThese plans to remove some snapshots, whatever a policy says.
func PlanForgetThese(snapshots []*snapshot.Snapshot) *ForgetPlan {
	var g ForgetGroup
	for _, s := range snapshots {
		g.Decisions = append(g.Decisions, ForgetDecision{Snapshot: s})
	}
	return &ForgetPlan{Groups: []ForgetGroup{g}}
}

// Remove returns the snapshots that go, each once.
func (p *ForgetPlan) Remove() []*snapshot.Snapshot {
	var list []*snapshot.Snapshot
	seen := make(id.Set)
	for i := range p.Groups {
		for _, d := range p.Groups[i].Remove() {
			if !seen.Has(d.Snapshot.ID) {
				seen.Add(d.Snapshot.ID)
				list = append(list, d.Snapshot)
			}
		}
	}
	return list
}

// RemoveIDs returns the IDs of the snapshots that go or, after Execute, that
// went.
func (p *ForgetPlan) RemoveIDs() id.Set {
	ids := make(id.Set)
	for _, s := range p.Remove() {
		if !p.Locked.Has(s.ID) {
			ids.Add(s.ID)
		}
	}
	return ids
}

// Execute removes the snapshots. All are tried; the error names those that
// could not be removed, but for those that are locked: see Locked. What the
// removed ones alone needed stays until a prune.
func (p *ForgetPlan) Execute(ctx context.Context, r *repository.Repository) error {
	p.Locked = make(id.Set)
	_, err := p.removeFor(ctx, r, p.Remove(), 0)
	return err
}
