package repository

import (
	"testing"

	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// Before the first backup there is nothing to compare, and a request is money
// and a round trip.
func TestAnEmptyRepositoryIsNotListed(t *testing.T) {
	f := fault.New(mem.New(), 1)
	r := initRepository(t, f, Options{})
	f.Add(fault.Rule{Op: fault.OpList, Prefix: "data/", Fault: fault.Before(storage.ErrSetup)})
	if damaged, err := r.DamagedPacks(t.Context()); err != nil || damaged == nil || len(damaged) != 0 {
		t.Errorf("DamagedPacks = %v, %v", damaged, err)
	}
}
