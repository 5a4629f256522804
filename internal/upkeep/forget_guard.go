package upkeep

import (
	"errors"
	"fmt"
	"time"

	"holdfast/internal/retention"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// Guards keep a policy from removing good snapshots because of bad ones, or
// more than its owner had in mind. An attacker who may only add snapshots
// would otherwise add enough of them to let the good ones age out. The zero
// value guards nothing.
type Guards struct {
	// Stored is when the store got each snapshot; snapshots with dates that
	// cannot be true are kept and not counted (retention.Forged). Nil trusts
	// all dates.
	Stored map[id.ID]time.Time
	// Proven are snapshots that were restored and found right. The newest of
	// each group stays.
	Proven id.Set
	// MaxShare is how much of a group may go in one run, in percent; 0 is no
	// bound. It does not hold for runs that remove few.
	MaxShare float64
	// Held says why a snapshot must stay for the time being, whatever a policy
	// says; "" if nothing holds it. Nil holds nothing.
	Held func(*snapshot.Snapshot) string
}

// fewRemoved is how many snapshots of a group may go in one run in any case.
const fewRemoved = 10

// ErrTooMany says that a policy would remove more of a group than Guards
// permit.
var ErrTooMany = errors.New("that is more than one run may remove")

// ErrProven says that a snapshot is the newest one that is known to come back.
var ErrProven = errors.New("it is the newest of its row that was restored and found right")

// ErrHeld says that a snapshot must stay for the time being.
var ErrHeld = errors.New("is held")

// split takes the snapshots out of a group whose dates cannot be true.
// Those dated after now are for the policy, which keeps them anyway.
func (g *Guards) split(list []*snapshot.Snapshot, now time.Time) (trusted []*snapshot.Snapshot, forged []ForgetDecision) {
	if g.Stored == nil {
		return list, nil
	}
	var dated []retention.Dated
	for _, s := range list {
		dated = append(dated, retention.Dated{ID: s.ID.String(), Time: s.Time, Stored: g.Stored[s.ID], Edited: s.Original != nil})
	}
	why := retention.Forged(dated)
	for _, s := range list {
		reason, bad := why[s.ID.String()]
		if !bad || s.Time.After(now) {
			trusted = append(trusted, s)
			continue
		}
		d := ForgetDecision{Snapshot: s, Forged: reason}
		d.Keep, d.Reasons = true, []string{"date cannot be true"}
		forged = append(forged, d)
	}
	return trusted, forged
}

// keepProven keeps the newest snapshot of a group that was proven.
func (g *Guards) keepProven(decisions []ForgetDecision) {
	for n := range decisions { // newest first
		d := &decisions[n]
		if d.Forged != "" || !g.isProven(d.Snapshot) {
			continue
		}
		if !d.Keep {
			d.Keep, d.Reasons = true, []string{"newest proven snapshot"}
		}
		return
	}
}

// keepHeld keeps the snapshots that are held, and says so also of those that
// would stay anyway.
func (g *Guards) keepHeld(decisions []ForgetDecision) {
	if g.Held == nil {
		return
	}
	for n := range decisions {
		d := &decisions[n]
		if why := g.Held(d.Snapshot); why != "" {
			d.Keep, d.Reasons = true, append(d.Reasons, "held: "+why)
		}
	}
}

// GuardHeld returns an error that wraps ErrHeld when the plan removes a
// snapshot that is held.
func (p *ForgetPlan) GuardHeld(g Guards) error {
	if g.Held == nil {
		return nil
	}
	for _, s := range p.Remove() {
		if why := g.Held(s); why != "" {
			return fmt.Errorf("snapshot %s of %s %w: %s", s.ID.Short(), s.Time.Format(time.DateTime), ErrHeld, why)
		}
	}
	return nil
}

// isProven tells whether a snapshot, or the one it was made from by a change
// of tags, was proven.
func (g *Guards) isProven(s *snapshot.Snapshot) bool {
	return g.Proven.Has(s.ID) || s.Original != nil && g.Proven.Has(*s.Original)
}

// Exceeds returns an error that wraps ErrTooMany when the plan removes a
// larger share of some group than one run may.
func (p *ForgetPlan) Exceeds(maxShare float64) error {
	if maxShare <= 0 {
		return nil
	}
	var failed []error
	for i := range p.Groups {
		g := &p.Groups[i]
		removed, counted := 0, 0
		for _, d := range g.Decisions {
			if d.Forged != "" || d.Future {
				continue
			}
			counted++
			if !d.Keep {
				removed++
			}
		}
		if share := 100 * float64(removed) / float64(max(1, counted)); removed > fewRemoved && share > maxShare {
			name := ""
			if s := g.Key.String(); s != "" {
				name = " of " + s
			}
			failed = append(failed, fmt.Errorf("%d of %d snapshots%s would go (%.0f %%): %w", removed, counted, name, share, ErrTooMany))
		}
	}
	return errors.Join(failed...)
}

// GuardNamed returns an error that wraps ErrProven when the plan removes the
// newest proven snapshot of a group of all snapshots.
func (p *ForgetPlan) GuardNamed(all []*snapshot.Snapshot, by snapshot.GroupBy, g Guards) error {
	gone := p.RemoveIDs()
	for _, group := range by.Divide(all) {
		var newest *snapshot.Snapshot
		for _, s := range group.Snapshots {
			if g.isProven(s) && (newest == nil || s.Time.After(newest.Time)) {
				newest = s
			}
		}
		if newest != nil && gone.Has(newest.ID) {
			return fmt.Errorf("snapshot %s of %s: %w", newest.ID.Short(), newest.Time.Format(time.DateTime), ErrProven)
		}
	}
	return nil
}
