package upkeep

import (
	"errors"
	"reflect"
	"testing"

	"holdfast/internal/retention"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// dated makes a snapshot so many days after the first.
func dated(day int, host string, tags ...string) *snapshot.Snapshot {
	s := &snapshot.Snapshot{Time: firstTime.AddDate(0, 0, day), Hostname: host, Paths: []string{"/a"}, Tags: tags}
	s.ID = id.Hash([]byte{byte(day), byte(len(host)), byte(len(tags))})
	return s
}

func TestPlanForget(t *testing.T) {
	full, plain := snapshot.TypeTag+"full", snapshot.TypeTag+"incremental"
	list := []*snapshot.Snapshot{
		dated(0, "www", full), dated(1, "www", plain), dated(2, "www", plain, "mine"), dated(2, "database"), dated(99, "www"),
	}
	now := firstTime.AddDate(0, 0, 3)
	for name, tc := range map[string]struct {
		o       ForgetOptions
		removed []int
		err     error
	}{
		"last of each host":  {ForgetOptions{Policy: retention.Policy{Last: 1}, GroupBy: snapshot.GroupBy{Host: true}}, []int{0, 1}, nil},
		"last of all":        {ForgetOptions{Policy: retention.Policy{Last: 2}}, []int{0, 1}, nil},
		"filtered":           {ForgetOptions{Policy: retention.Policy{Last: 1}, Filter: snapshot.Filter{Hosts: []string{"www"}}}, []int{0, 1}, nil},
		"not tagged by user": {ForgetOptions{Policy: retention.Policy{Tags: []retention.TagList{{""}}}}, []int{2}, nil},
		"reserved tag":       {ForgetOptions{Policy: retention.Policy{Tags: []retention.TagList{{full}}}}, []int{1, 2, 3}, nil},
		"no policy":          {ForgetOptions{}, nil, errNoPolicy},
		"all":                {ForgetOptions{AllowRemoveAll: true}, nil, errNoFilter},
		"all of a host":      {ForgetOptions{AllowRemoveAll: true, Filter: snapshot.Filter{Hosts: []string{"database"}}}, []int{3}, nil},
		"nothing left":       {ForgetOptions{Policy: retention.Policy{Tags: []retention.TagList{{"none"}}}}, nil, errRemoveAll},
	} {
		t.Run(name, func(t *testing.T) {
			tc.o.Now = now
			plan, err := PlanForget(list, tc.o)
			if !errors.Is(err, tc.err) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if err != nil {
				return
			}
			want := make(id.Set)
			for _, n := range tc.removed {
				want.Add(list[n].ID)
			}
			if got := plan.RemoveIDs(); !reflect.DeepEqual(got, want) {
				t.Errorf("removes %v, want %v", got, want)
			}
			for _, g := range plan.Groups {
				for _, d := range g.Keep() {
					if len(d.Reasons) == 0 || d.Future != (d.Snapshot == list[4]) {
						t.Errorf("%s: %+v", d.Snapshot.ID.Short(), d.Decision)
					}
				}
			}
		})
	}
}

// All snapshots are tried, and those that stay are named.
func TestForgetReportsWhatStays(t *testing.T) {
	s := mem.New()
	initRepository(t, s)
	gone := []*snapshot.Snapshot{
		backUp(t, s, 0, files{"a": nil}), backUp(t, s, 1, files{"a": nil}), backUp(t, s, 2, files{"a": nil}),
	}
	refused := errors.New("refused")
	err := forget(t.Context(), fault.New(s, 1, fault.Rule{Op: fault.OpDelete, Times: 1, Fault: fault.Before(refused)}), gone...)
	if !errors.Is(err, refused) {
		t.Errorf("error %v", err)
	}
	if n, _ := count(t, s, repository.SnapshotFile); n != 1 {
		t.Errorf("%d snapshots are left, want 1", n)
	}
}
