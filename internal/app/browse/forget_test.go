package browse

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/api"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

func TestHoldsArePlacedAndReleased(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	o.plan("shop", "orders", "main")
	s := m.snapshot(0, m.raw(m.file("f", "1")), of("shop", "orders"))
	b := o.browser(quick)
	ctx := t.Context()
	for name, q := range map[string]api.HoldRequest{"no reason": {Plan: "shop"}, "no such plan": {Plan: "none", Reason: "x"}} {
		if err := b.PlaceHold(ctx, "main", q); !errors.Is(err, api.ErrInvalid) && !errors.Is(err, api.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := b.PlaceHold(ctx, "main", api.HoldRequest{Plan: "shop", Reason: "case\n4711"}); err != nil {
		t.Fatal(err)
	}
	holds, err := b.Holds(ctx, "main")
	if err != nil || len(holds) != 1 || holds[0].Reason != "case 4711" || holds[0].Plan != "shop" || holds[0].By != "person" {
		t.Fatalf("got %+v, %v", holds, err)
	}
	if page, err := b.Snapshots(ctx, api.SnapshotQuery{Repository: "main"}); err != nil || !page.Snapshots[0].Held {
		t.Errorf("got %+v, %v", page, err)
	}
	plan, err := b.PlanForget(ctx, api.ForgetRequest{Repository: "main", Snapshots: []string{s.ID.String()}})
	if err != nil || !strings.Contains(plan.Refused, "case 4711") {
		t.Errorf("got %+v, %v", plan, err)
	}
	if err := b.ReleaseHold(ctx, "main", "nosuch", ""); !errors.Is(err, api.ErrNotFound) {
		t.Error(err)
	}
	if err := b.ReleaseHold(ctx, "main", holds[0].ID, "looked at"); err != nil {
		t.Fatal(err)
	}
	if holds, err := b.Holds(ctx, "main"); err != nil || len(holds) != 0 {
		t.Errorf("got %+v, %v", holds, err)
	}
	// Nothing is left behind, and whoever works alone goes first.
	lock, _, err := m.r.Lock(ctx, repository.Exclusive, repository.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.PlaceHold(ctx, "main", api.HoldRequest{Reason: "all"}); !errors.Is(err, api.ErrConflict) {
		t.Error(err)
	}
	if page, err := b.Snapshots(ctx, api.SnapshotQuery{Repository: "main"}); err != nil || page.Total != 1 {
		t.Errorf("looking needs no lock: %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
}

func TestPlanForget(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	o.plan("shop", "orders", "main")
	root := m.raw(m.file("f", "1"))
	base := func(begin string) func(*snapshot.Snapshot) {
		return func(s *snapshot.Snapshot) {
			of("shop", "db")(s)
			s.SetLog("7000000000000000001-00000001-" + begin + "-00000000FF000000")
		}
	}
	first := m.snapshot(0, root, of("shop", "orders"))
	second := m.snapshot(1, root, of("shop", "orders"))
	alone := m.snapshot(2, root, func(s *snapshot.Snapshot) { s.Hostname = "laptop" })
	baseOne := m.snapshot(3, root, base("0000000001000000"))
	baseTwo := m.snapshot(4, root, base("0000000002000000"))
	b := o.browser(quick)
	plan := func(list ...*snapshot.Snapshot) *api.ForgetPlan {
		t.Helper()
		var ids []string
		for _, s := range list {
			ids = append(ids, s.ID.String())
		}
		p, err := b.PlanForget(t.Context(), api.ForgetRequest{Repository: "main", Snapshots: ids})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range []struct {
		remove []*snapshot.Snapshot
		want   []string
	}{
		{[]*snapshot.Snapshot{first}, nil},
		{[]*snapshot.Snapshot{second}, []string{"the newest snapshot of source orders of plan shop would be of"}},
		{[]*snapshot.Snapshot{first, second}, []string{"no snapshot of source orders of plan shop would be left"}},
		{[]*snapshot.Snapshot{alone}, []string{"no snapshot of /data of host laptop would be left"}},
		{[]*snapshot.Snapshot{baseOne}, []string{"source db of plan shop could not be restored to instants before"}},
		{[]*snapshot.Snapshot{baseOne, baseTwo}, []string{"no snapshot of source db of plan shop"}},
	} {
		p := plan(c.remove...)
		if len(p.Remove) != len(c.remove) || p.Keep != 5-len(c.remove) || p.Refused != "" || len(p.Warnings) != len(c.want) {
			t.Errorf("got %+v, want %q", p, c.want)
			continue
		}
		for n, w := range c.want {
			if !strings.HasPrefix(p.Warnings[n], w) {
				t.Errorf("got %q, want %q", p.Warnings[n], w)
			}
		}
	}
	p := plan(first, alone)
	if want := []string{"holdfast", "forget", "-r", "main", alone.ID.String(), first.ID.String()}; !slices.Equal(p.Command, want) {
		t.Errorf("got %q", p.Command)
	}
	if q := plan(alone, first); q.Confirm != p.Confirm {
		t.Error("the order makes another plan")
	}
	if q := plan(first); q.Confirm == p.Confirm {
		t.Error("another choice is the same plan")
	}
	m.begin()
	m.snapshot(9, root, nil)
	if q := plan(first, alone); q.Confirm == p.Confirm {
		t.Error("with other snapshots there it is the same plan")
	}
	if _, err := b.PlanForget(t.Context(), api.ForgetRequest{Repository: "main"}); !errors.Is(err, api.ErrInvalid) {
		t.Error(err)
	}
}
