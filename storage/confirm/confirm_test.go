package confirm_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"testing"

	"holdfast/storage"
	"holdfast/storage/confirm"
	"holdfast/storage/fault"
	"holdfast/storage/local"
	"holdfast/storage/mem"
	"holdfast/storage/storagetest"
)

func TestContract(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Store { return confirm.New(mem.New(), confirm.Cheapest) })
}

func TestContractOnAFolder(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		s, err := local.Create(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return confirm.New(s, confirm.ReadBack)
	})
}

// vouching is a store whose service compares checksums, and says so.
type vouching struct{ storage.Store }

func (v vouching) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	err := v.Store.Put(ctx, key, body, o)
	if err == nil {
		o.WasChecked("SHA-256")
	}
	return err
}

func put(s storage.Store, key, data string) error {
	return s.Put(context.Background(), key, storage.Bytes([]byte(data)), storage.PutOptions{})
}

func TestHowThingsAreConfirmed(t *testing.T) {
	one := confirm.Amount{Count: 1, Bytes: 4}
	both := confirm.Amount{Count: 2, Bytes: 8}
	tests := []struct {
		name     string
		how      confirm.How
		vouching bool
		want     confirm.Receipt
	}{
		{"nobody vouches", confirm.Cheapest, false, confirm.Receipt{ReadBack: both, PacksReadBack: one}},
		{"the service vouches", confirm.Cheapest, true, confirm.Receipt{Checked: both, Checksum: "SHA-256"}},
		{"the service vouches and we read", confirm.ReadBack, true, confirm.Receipt{ReadBack: both, PacksReadBack: one}},
		{"nobody vouches and we do not read", confirm.Told, false, confirm.Receipt{Unconfirmed: both}},
		{"the service vouches and we do not read", confirm.Told, true, confirm.Receipt{Checked: both, Checksum: "SHA-256"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var below storage.Store = mem.New()
			if test.vouching {
				below = vouching{below}
			}
			s := confirm.New(below, test.how)
			if err := errors.Join(put(s, "data/aa/aa", "pack"), put(s, "index/bb", "list"), put(s, "locks/cc", "lock")); err != nil {
				t.Fatal(err)
			}
			if got := s.Receipt(); got != test.want {
				t.Errorf("Receipt = %+v, want %+v", got, test.want)
			}
		})
	}
}

// What was damaged on its way, or by the disk, is never acknowledged, and not
// left behind for others to find.
func TestDamageIsNotAcknowledged(t *testing.T) {
	for name, damage := range map[string]fault.Fault{
		"a wrong bit": fault.Flip(), "a short object": fault.Cut(nil), "nothing there": fault.Missing(),
	} {
		t.Run(name, func(t *testing.T) {
			below := mem.New()
			s := confirm.New(fault.New(below, 1, fault.Rule{Op: fault.OpPut, Times: 1, Fault: damage}), confirm.Cheapest)
			err := put(s, "data/aa/aa", "what was sent")
			if err == nil || errors.Is(err, storage.ErrExists) {
				t.Fatalf("Put = %v", err)
			}
			if _, ok := map[string]bool{"nothing there": true}[name]; !ok && !errors.Is(err, storage.ErrConflict) {
				t.Errorf("Put = %v, want ErrConflict", err)
			}
			if _, err := below.Stat(t.Context(), "data/aa/aa"); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("Stat of what is damaged = %v, want ErrNotFound", err)
			}
			if err := put(s, "data/aa/aa", "what was sent"); err != nil {
				t.Errorf("Put again = %v", err)
			}
			if s.Receipt().ReadBack.Count != 1 {
				t.Errorf("Receipt = %+v", s.Receipt())
			}
		})
	}
}

// Where nothing can be deleted, that is said.
func TestDamageThatStays(t *testing.T) {
	appendOnly := fault.Rule{Op: fault.OpDelete, Fault: fault.Before(storage.ErrReadOnly)}
	s := confirm.New(fault.New(mem.New(), 1, fault.Rule{Op: fault.OpPut, Fault: fault.Flip()}, appendOnly), confirm.Cheapest)
	if err := put(s, "data/aa/aa", "what was sent"); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("Put = %v, want ErrConflict", err)
	}
}

// The hash that a caller gives is what counts: a body that was damaged here is
// found, too.
func TestTheHashOfTheCallerCounts(t *testing.T) {
	sum := sha256.Sum256([]byte("right"))
	s := confirm.New(mem.New(), confirm.Cheapest)
	err := s.Put(t.Context(), "data/aa/aa", storage.Bytes([]byte("wrong")), storage.PutOptions{SHA256: &sum})
	if !errors.Is(err, storage.ErrConflict) {
		t.Errorf("Put = %v, want ErrConflict", err)
	}
}
