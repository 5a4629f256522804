package hold_test

import (
	"errors"
	"testing"

	"holdfast/internal/hold"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/storage/mem"
)

func TestAHoldLastsUntilItIsReleased(t *testing.T) {
	in := repository.InitOptions{Password: []byte("correct horse"), KeyCost: repository.KeyCost{N: 2, R: 1, P: 1}}
	r, err := repository.Init(t.Context(), mem.New(), in, repository.Options{})
	if err != nil {
		t.Fatal(err)
	}
	active := func(want int) []hold.Hold {
		t.Helper()
		all, err := hold.Active(t.Context(), r)
		if err != nil || len(all) != want {
			t.Fatalf("%d holds, %v, want %d", len(all), err, want)
		}
		return all
	}
	active(0)
	shop, err := hold.Place(t.Context(), r, hold.Hold{By: hold.Anomaly, Plan: "shop", Source: "db", Reason: "files changed: 90 %"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hold.Place(t.Context(), r, hold.Hold{By: hold.Person, Reason: "case 4711"}); err != nil {
		t.Fatal(err)
	}
	held := make(map[string]bool)
	for _, h := range active(2) {
		held[h.Of()] = true
	}
	if !held["source db of plan shop"] || !held["all snapshots"] {
		t.Errorf("held: %v", held)
	}
	if _, err := hold.Release(t.Context(), r, shop.ID, hold.Person, "it was an upgrade"); err != nil {
		t.Fatal(err)
	}
	if _, err := hold.Release(t.Context(), r, shop.ID, hold.Person, ""); !errors.Is(err, hold.ErrNone) {
		t.Errorf("released twice: %v", err)
	}
	active(1)
}

func TestWhatAHoldCovers(t *testing.T) {
	of := func(plan, source string) *snapshot.Snapshot {
		s := new(snapshot.Snapshot)
		s.SetPlan(plan)
		s.SetSource(source)
		return s
	}
	for _, c := range []struct {
		held         hold.Hold
		plan, source string
		want         bool
	}{
		{hold.Hold{Plan: "shop", Source: "db"}, "shop", "db", true},
		{hold.Hold{Plan: "shop", Source: "db"}, "shop", "www", false},
		{hold.Hold{Plan: "shop"}, "shop", "www", true},
		{hold.Hold{Plan: "shop"}, "bank", "www", false},
		{hold.Hold{}, "bank", "www", true},
		{hold.Hold{Plan: "shop"}, "", "", true}, // it does not say whose it is
	} {
		if got := c.held.Covers(of(c.plan, c.source)); got != c.want {
			t.Errorf("a hold of %s covers %s/%s: %v", c.held.Of(), c.plan, c.source, got)
		}
	}
}

// A hold that was removed from a repository still is in its mirror; released in
// one of them it is over.
func TestHoldsOfMirrors(t *testing.T) {
	in := repository.InitOptions{Password: []byte("correct horse"), KeyCost: repository.KeyCost{N: 2, R: 1, P: 1}}
	var places []*repository.Repository
	for range 2 {
		r, err := repository.Init(t.Context(), mem.New(), in, repository.Options{})
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, r)
	}
	placed, err := hold.Place(t.Context(), places[1], hold.Hold{By: hold.Person, Reason: "case 4711"})
	if err != nil {
		t.Fatal(err)
	}
	if active, err := hold.Active(t.Context(), places...); err != nil || len(active) != 1 {
		t.Errorf("%v, %v: want the hold of the mirror", active, err)
	}
	if active, err := hold.Active(t.Context(), places[1], places[1]); err != nil || len(active) != 1 {
		t.Errorf("%v, %v: a hold that is in two places is one", active, err)
	}
	if _, err := hold.Release(t.Context(), places[1], placed.ID, hold.Person, "an exercise"); err != nil {
		t.Fatal(err)
	}
	if active, err := hold.Active(t.Context(), places...); err != nil || len(active) != 0 {
		t.Errorf("%v, %v: want none", active, err)
	}
}
