package retry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"holdfast/storage"
	"holdfast/storage/mem"
)

// tiered is a store with classes whose answers fail every other time.
type tiered struct {
	storage.Store
	storage.Tiering // what is not tested
	calls           int
}

var errLine = errors.New("the line is bad")

func (s *tiered) Tier(context.Context, string) (storage.Tier, error) {
	if s.calls++; s.calls%2 == 1 {
		return storage.Tier{}, errLine
	}
	return storage.Tier{Class: "COLD"}, nil
}

func (s *tiered) ListTiers(_ context.Context, _ string, visit func(storage.Info, storage.Tier) error) error {
	s.calls++
	for _, key := range []string{"a", "b", "c"} {
		if s.calls%2 == 1 && key == "c" {
			return errLine
		}
		if err := visit(storage.Info{Key: key}, storage.Tier{Class: "COLD"}); err != nil {
			return err
		}
	}
	return nil
}

// What a store can do beyond the contract is tried again, too, whatever else
// is wrapped around it, and a listing visits each object once.
func TestPowersAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &tiered{Store: mem.New()}
		power, ok := storage.As[storage.Tiering](New(New(s, Policy{}), Policy{}))
		if !ok {
			t.Fatal("the power is hidden")
		}
		if tier, err := power.Tier(t.Context(), "key"); err != nil || tier.Class != "COLD" {
			t.Errorf("tier is %+v, %v", tier, err)
		}
		seen := ""
		err := power.ListTiers(t.Context(), "", func(i storage.Info, tier storage.Tier) error {
			seen += i.Key
			return nil
		})
		if err != nil || seen != "abc" {
			t.Errorf("listed %q, %v", seen, err)
		}
		if _, ok := storage.As[storage.Locker](New(s, Policy{})); ok {
			t.Error("a store without locks has them now")
		}
		if got, ok := storage.As[*tiered](New(s, Policy{})); !ok || got != s {
			t.Error("the implementation is hidden")
		}
	})
}
