package browse

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/hold"
	"holdfast/internal/pitr"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// PlanForget says what forgetting snapshots would remove, and what would be
// lost with them. Its Confirm holds for as long as the repository has the same
// snapshots.
func (b *Browser) PlanForget(ctx context.Context, q api.ForgetRequest) (*api.ForgetPlan, error) {
	if len(q.Snapshots) == 0 {
		return nil, fmt.Errorf("%w: no snapshot is named", api.ErrInvalid)
	}
	// A copy would not do: the snapshots of this one are removed.
	v, err := b.view(ctx, q.Repository)
	if err != nil {
		return nil, err
	}
	defer v.release()
	chosen := make(map[id.ID]*snapshot.Snapshot)
	for _, ref := range q.Snapshots {
		s, err := v.find(ref, nil)
		if err != nil {
			return nil, err
		}
		chosen[s.ID] = s
	}
	held, err := hold.Active(ctx, v.repo)
	if err != nil {
		return nil, v.explain("what is held", err)
	}
	d := b.describer(ctx, v)
	d.held = held
	plan := &api.ForgetPlan{Keep: len(v.snapshots) - len(chosen), Command: []string{"holdfast", "forget", "-r", v.place.name}}
	for _, s := range v.snapshots {
		if chosen[s.ID] == nil {
			continue
		}
		plan.Remove = append(plan.Remove, d.describe(s))
		plan.Command = append(plan.Command, s.ID.String())
		for _, h := range held {
			if h.Covers(s) && plan.Refused == "" {
				plan.Refused = fmt.Sprintf("snapshot %s is held since %s: %s (hold %s); release the hold first",
					s.ID.Short(), h.Time.Local().Format(time.DateTime), h.Reason, h.ID)
			}
		}
	}
	if len(v.damage) > 0 {
		plan.Warnings = append(plan.Warnings, fmt.Sprintf("%d other snapshots of this repository are damaged", len(v.damage)))
	}
	plan.Warnings = append(plan.Warnings, d.losses(chosen)...)
	plan.Confirm = confirmation(q.Repository, v.snapshots, chosen)
	return plan, nil
}

// confirmation names a plan to forget: with other snapshots, chosen or not, it
// is another one.
func confirmation(repository string, all []*snapshot.Snapshot, chosen map[id.ID]*snapshot.Snapshot) string {
	h := sha256.New()
	fmt.Fprintf(h, "forget %q\n", repository) //nolint:errcheck // a hash never fails
	for _, s := range slices.SortedFunc(slices.Values(all), func(x, y *snapshot.Snapshot) int { return x.ID.Compare(y.ID) }) {
		fmt.Fprintf(h, "%s %t\n", s.ID, chosen[s.ID] != nil) //nolint:errcheck // see above
	}
	return hex.EncodeToString(h.Sum(nil))
}

// origin is what a row of snapshots is of.
type origin struct{ plan, source, host, paths string }

func (d *describer) originOf(s *snapshot.Snapshot) origin {
	plan, source := d.of(s)
	if source != "" {
		return origin{plan: plan, source: source}
	}
	return origin{host: s.Hostname, paths: strings.Join(s.Paths, ", ")}
}

func (r origin) String() string {
	switch {
	case r.plan != "":
		return fmt.Sprintf("source %s of plan %s", r.source, r.plan)
	case r.source != "":
		return "source " + r.source
	}
	return fmt.Sprintf("%s of host %s", api.PathText(r.paths), cmp.Or(r.host, "unknown"))
}

// losses says what cannot be restored any more without the chosen snapshots.
func (d *describer) losses(chosen map[id.ID]*snapshot.Snapshot) []string {
	all, kept := make(map[origin][]*snapshot.Snapshot), make(map[origin][]*snapshot.Snapshot)
	var rows []origin
	for _, s := range d.v.snapshots { // the newest first
		r := d.originOf(s)
		if all[r] == nil {
			rows = append(rows, r)
		}
		all[r] = append(all[r], s)
		if chosen[s.ID] == nil {
			kept[r] = append(kept[r], s)
		}
	}
	var list []string
	for _, r := range rows {
		switch {
		case len(kept[r]) == len(all[r]):
		case len(kept[r]) == 0:
			list = append(list, fmt.Sprintf("no snapshot of %s would be left here", r))
		case kept[r][0] != all[r][0]:
			list = append(list, fmt.Sprintf("the newest snapshot of %s would be of %s", r, kept[r][0].Time.Local().Format(time.DateTime)))
		}
		list = append(list, lostPoints(r, all[r], kept[r])...)
	}
	return list
}

// lostPoints says which instants a database could not be restored to any more.
func lostPoints(r origin, all, kept []*snapshot.Snapshot) []string {
	before, after := pitr.Points(all, r.source), pitr.Points(kept, r.source)
	switch {
	case len(before) == 0 || len(kept) == 0 || len(after) > 0 && after[0].Ended.Equal(before[0].Ended):
		return nil
	case len(after) == 0:
		return []string{fmt.Sprintf("no base backup of %s would be left here: its log alone restores nothing", r)}
	}
	return []string{fmt.Sprintf("%s could not be restored to instants before %s any more", r, after[0].Ended.Local().Format(time.DateTime))}
}
