package upkeep

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/retention"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// forgetBeside forgets by a policy, in turns with what happens before the n-th
// exclusive lock, and returns the plans that were made.
func forgetBeside(ctx context.Context, s storage.Store, p retention.Policy, held *string, between func(ctx context.Context, n int) error) (plans []*ForgetPlan, alone time.Duration, err error) {
	err = with(ctx, s, func(r *repository.Repository) error {
		guards := func() (func(*snapshot.Snapshot) string, error) {
			return func(s *snapshot.Snapshot) string {
				if held != nil && s.ID.String() == *held {
					return "somebody said so"
				}
				return ""
			}, nil
		}
		l := &locks{r: r, between: between}
		_, err := Forget(ctx, r, ForgetTurns{
			Locks: l,
			Load:  r.Snapshots,
			Decide: func(_ context.Context, all []*snapshot.Snapshot) (*ForgetPlan, bool, error) {
				g, _ := guards() //nolint:errcheck // it never fails
				plan, err := PlanForget(all, ForgetOptions{Policy: p, Guards: Guards{Held: g}, Now: firstTime.AddDate(1, 0, 0)})
				plans = append(plans, plan)
				return plan, true, err
			},
			Held: func(context.Context) (func(*snapshot.Snapshot) string, error) { return guards() },
		})
		alone = l.alone
		return err
	})
	return plans, alone, err
}

// left returns the days of the snapshots in a store.
func left(t *testing.T, s storage.Store) (days []int) {
	t.Helper()
	must(t, s, func(r *repository.Repository) error {
		all, err := r.Snapshots(t.Context())
		for _, s := range all {
			days = append(days, int(s.Time.Sub(firstTime)/(24*time.Hour)))
		}
		return err
	})
	return days
}

// What others do between the look and the removal is heeded where it matters:
// a policy never removes more than it would have done later.
func TestForgetBesideOthers(t *testing.T) {
	for name, test := range map[string]struct {
		between func(t *testing.T, s storage.Store, made []*snapshot.Snapshot, held *string) error
		want    string
		plans   int
	}{
		"nothing": {func(*testing.T, storage.Store, []*snapshot.Snapshot, *string) error { return nil }, "[4 5]", 1},
		"a backup": {func(t *testing.T, s storage.Store, _ []*snapshot.Snapshot, _ *string) error {
			backUp(t, s, 6, files{"f": nil})
			return nil
		}, "[4 5 6]", 1},
		"the newest is forgotten": {func(t *testing.T, s storage.Store, made []*snapshot.Snapshot, _ *string) error {
			return forget(t.Context(), s, made[5])
		}, "[3 4]", 2},
		"one is held": {func(_ *testing.T, _ storage.Store, made []*snapshot.Snapshot, held *string) error {
			*held = made[1].ID.String()
			return nil
		}, "[1 4 5]", 2},
		"one that goes is gone": {func(t *testing.T, s storage.Store, made []*snapshot.Snapshot, _ *string) error {
			return forget(t.Context(), s, made[0])
		}, "[4 5]", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := mem.New()
				initRepository(t, s)
				var made []*snapshot.Snapshot
				for day := range 6 {
					made = append(made, backUp(t, s, day, files{"f": fmt.Append(nil, day)}))
				}
				held := ""
				plans, _, err := forgetBeside(t.Context(), s, retention.Policy{Last: 2}, &held, func(_ context.Context, n int) error {
					if n > 1 {
						return nil
					}
					return test.between(t, s, made, &held)
				})
				if err != nil || len(plans) != test.plans {
					t.Errorf("%d plans, %v", len(plans), err)
				}
				if got := fmt.Sprint(left(t, s)); got != test.want {
					t.Errorf("left are %s, want %s", got, test.want)
				}
			})
		})
	}
}

// Snapshots are removed in slices, and backups get to the repository in
// between.
func TestForgetInSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		initRepository(t, s)
		must(t, s, func(r *repository.Repository) error {
			for n := range 300 {
				made := snapshot.Snapshot{Time: firstTime.Add(time.Duration(n) * time.Second), Paths: []string{"/a"}, Hostname: "www", Tree: id.Hash(nil)}
				if err := r.SaveSnapshot(t.Context(), &made); err != nil {
					return err
				}
			}
			return nil
		})
		slow := fault.New(s, 1, fault.Rule{Op: fault.OpDelete, Prefix: "snapshots/", Fault: fault.Delay(time.Second)})
		slices := 0
		plans, alone, err := forgetBeside(t.Context(), slow, retention.Policy{Last: 1}, nil, func(_ context.Context, n int) error {
			slices = n
			return nil
		})
		if err != nil || len(plans) != 1 || slices < 3 {
			t.Fatalf("%d slices, %d plans, %v", slices, len(plans), err)
		}
		if alone > 2*aloneAtMost {
			t.Errorf("it had the repository for itself for %v", alone)
		}
		if n := len(left(t, s)); n != 1 {
			t.Errorf("%d snapshots are left", n)
		}
	})
}
