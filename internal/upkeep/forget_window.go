package upkeep

import "holdfast/internal/retention"

// keepWindowStart keeps the newest base backup of a database at or before the
// beginning of the policy's within: the instants between the beginning and the
// next backup can be restored from it alone. Decisions are newest first.
func keepWindowStart(p retention.Policy, decisions []ForgetDecision) {
	if p.Within == (retention.Duration{}) || len(decisions) == 0 {
		return
	}
	begin := p.Within.Before(decisions[0].Snapshot.Time)
	for n := range decisions {
		d := &decisions[n]
		if d.Forged != "" || d.Snapshot.Log() == "" || d.Snapshot.Time.After(begin) {
			continue
		}
		if !d.Keep {
			d.Keep, d.Reasons = true, []string{"begins the point-in-time window"}
		}
		return
	}
}
