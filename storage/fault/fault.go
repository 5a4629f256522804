// Package fault is a storage.Store that misbehaves as told: for tests of what
// must survive a bad store.
//
// It wraps a well-behaved store and counts the operations that reach it.
// Rules make chosen operations fail, lose their answer, damage data or take
// long:
//
//	s := fault.New(mem.New(), seed,
//		// the third pack is stored, but the answer is lost
//		fault.Rule{Op: fault.OpPut, Prefix: "data/", Skip: 2, Times: 1, Fault: fault.After(errLost)},
//		// reading any index gives one wrong bit
//		fault.Rule{Op: fault.OpGet, Prefix: "index/", Fault: fault.Flip()},
//	)
//
// CrashAt plays the death of the process at one operation, and Replay runs a
// job once for every operation it could die at. LagLists plays a store whose
// listings are behind.
//
// Everything random (where an object is torn, which bit flips) is drawn from
// the seed and the number of the operation, so that a failure can be repeated
// as long as the job runs its operations in the same order.
package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"holdfast/storage"
)

// Op names a kind of operation.
type Op string

// The operations. OpSpool, the start of a spool, can be made to fail by rules
// but is not counted and not a point to crash at: it changes nothing that
// could be seen in the store.
const (
	OpPut    Op = "put"
	OpGet    Op = "get"
	OpStat   Op = "stat"
	OpList   Op = "list"
	OpDelete Op = "delete"
	OpSpool  Op = "spool"
)

// Changes tells whether the operation changes what is stored.
func (op Op) Changes() bool { return op == OpPut || op == OpDelete }

// Call is one operation that reached the store.
type Call struct {
	N   int // 1 for the first
	Op  Op
	Key string // the prefix, for OpList
	Err error  // what was answered; nil too while the operation runs
}

// Store misbehaves in front of the Store it wraps. Make one with New.
type Store struct {
	storage.Store
	seed uint64

	mu      sync.Mutex
	rules   []*activeRule
	calls   []Call
	crash   crash
	crashed bool
	lag     lag
}

var (
	_ storage.PowerWrapper = (*Store)(nil)
	_ storage.Spooler      = (*Store)(nil)
)

// New wraps s. Without rules it only counts.
func New(s storage.Store, seed uint64, rules ...Rule) *Store {
	f := &Store{Store: s, seed: seed}
	f.Add(rules...)
	return f
}

// Unwrap returns the store below, which misbehaves never.
func (s *Store) Unwrap() storage.Store { return s.Store }

// Power makes a batch of deletions be one operation for each object, so that
// rules and crashes strike in the middle of it.
func (s *Store) Power(want, have any) any {
	if _, ok := want.(*storage.BatchDeleter); ok {
		return oneByOne{s}
	}
	return have
}

type oneByOne struct{ s *Store }

func (d oneByOne) DeleteBatch(ctx context.Context, keys []string) (gone []string, err error) {
	for _, key := range keys {
		if err := d.s.Delete(ctx, key); err == nil || errors.Is(err, storage.ErrNotFound) {
			gone = append(gone, key)
		}
	}
	return gone, ctx.Err()
}

// Count returns how many operations have begun.
func (s *Store) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// Calls returns the log of all operations.
func (s *Store) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// operation is one call while it runs.
type operation struct {
	n     int
	fault Fault
	rng   *rand.Rand
}

// begin counts the operation and finds the fault that strikes it.
func (s *Store) begin(ctx context.Context, op Op, key string) (operation, error) {
	s.mu.Lock()
	s.calls = append(s.calls, Call{N: len(s.calls) + 1, Op: op, Key: key})
	o := operation{n: len(s.calls)}
	o.rng = rand.New(rand.NewPCG(s.seed, uint64(o.n)))
	fault, delay := s.match(op, key)
	switch {
	case s.crash.n == o.n && !s.crashed:
		fault = s.crash.fault(op)
	case s.crashed || s.crash.kills(o.n):
		fault = Before(ErrCrashed)
	}
	s.crashed = s.crashed || s.crash.kills(o.n)
	o.fault = fault
	s.mu.Unlock()

	if err := sleep(ctx, delay); err != nil {
		return o, err
	}
	if o.fault.kind == failBefore {
		return o, o.fault.err
	}
	return o, nil
}

// end writes the answer of an operation into the log and returns it. Of an
// operation that was under way at a crash nobody gets an answer.
func (s *Store) end(o operation, err error) error {
	if o.fault.kind == failAfter {
		err = o.fault.err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.crashed {
		err = ErrCrashed
	}
	s.calls[o.n-1].Err = err
	return err
}

// Put stores body, or does what a rule says.
func (s *Store) Put(ctx context.Context, key string, body storage.Body, po storage.PutOptions) error {
	o, err := s.begin(ctx, OpPut, key)
	if err == nil {
		err = s.put(ctx, o, key, body, po)
	}
	return s.end(o, err)
}

func (s *Store) put(ctx context.Context, o operation, key string, body storage.Body, po storage.PutOptions) error {
	switch o.fault.kind {
	case skip:
		return nil
	case cut:
		body = io.NewSectionReader(body, 0, o.below(body.Size()))
	case flip:
		body = flippedBody{Body: body, bit: o.below(8 * body.Size())}
	}
	if err := s.Store.Put(ctx, key, body, po); err != nil {
		return err
	}
	s.noticePut(key)
	if o.fault.kind == cut {
		return o.fault.err
	}
	return nil
}

// below draws a number from 0 to n-1, and 0 when there is none.
func (o operation) below(n int64) int64 { return o.rng.Int64N(max(n, 1)) }

// Get reads a range, or does what a rule says.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	o, err := s.begin(ctx, OpGet, key)
	var r io.ReadCloser
	if err == nil {
		r, err = s.get(ctx, o, key, offset, length)
	}
	if err := s.end(o, err); err != nil {
		if r != nil {
			r.Close()
		}
		return nil, err
	}
	return r, nil
}

func (s *Store) get(ctx context.Context, o operation, key string, offset, length int64) (io.ReadCloser, error) {
	r, err := s.Store.Get(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	fr := &faultyReader{ReadCloser: r, store: s, cutAt: -1, flipAt: -1}
	if o.fault.kind != cut && o.fault.kind != flip {
		return fr, nil
	}
	if length < 0 {
		info, err := s.Store.Stat(ctx, key)
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		length = info.SizeBytes - offset
	}
	if o.fault.kind == cut {
		fr.cutAt, fr.cutErr = o.below(length), o.fault.err
	} else {
		fr.flipAt = o.below(8 * length)
	}
	return fr, nil
}

// Stat describes an object, or does what a rule says.
func (s *Store) Stat(ctx context.Context, key string) (storage.Info, error) {
	o, err := s.begin(ctx, OpStat, key)
	var info storage.Info
	if err == nil {
		info, err = s.Store.Stat(ctx, key)
	}
	if err := s.end(o, err); err != nil {
		return storage.Info{}, err
	}
	return info, nil
}

// List visits objects, or does what a rule says; see also LagLists.
func (s *Store) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	o, err := s.begin(ctx, OpList, prefix)
	if err == nil {
		err = s.list(ctx, o, prefix, visit)
	}
	return s.end(o, err)
}

// list visits what a listing shows now. A cut listing ends after half of it.
func (s *Store) list(ctx context.Context, o operation, prefix string, visit func(storage.Info) error) error {
	infos, err := s.visible(ctx, prefix)
	if err != nil {
		return err
	}
	shown := len(infos)
	if o.fault.kind == cut {
		shown = int(o.below(int64(shown)))
	}
	for _, info := range infos[:shown] {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.Crashed() && o.fault.kind != failAfter {
			return ErrCrashed
		}
		if err := visit(info); err != nil {
			return err
		}
	}
	if o.fault.kind == cut {
		return o.fault.err
	}
	return ctx.Err()
}

// Delete removes an object, or does what a rule says.
func (s *Store) Delete(ctx context.Context, key string) error {
	o, err := s.begin(ctx, OpDelete, key)
	if err == nil && o.fault.kind != skip {
		err = s.delete(ctx, key)
	}
	return s.end(o, err)
}

// NewSpool starts a spool of the store below.
func (s *Store) NewSpool() (storage.Spool, error) {
	s.mu.Lock()
	fault, _ := s.match(OpSpool, "")
	if s.crashed {
		fault = Before(ErrCrashed)
	}
	s.mu.Unlock()
	if fault.kind == failBefore {
		return nil, fmt.Errorf("spool: %w", fault.err)
	}
	return storage.NewSpool(s.Store)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
