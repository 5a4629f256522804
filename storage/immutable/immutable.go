// Package immutable is a storage.Store that locks every object it puts into
// another one: nobody can delete or replace it before its retention ends.
//
// Locks of a repository are exempt: they come and go by the minute. What must
// stay for longer than the first retention is extended by others (see
// storage.Locker); this package only sees to the first instant, in which an
// object would otherwise be there without protection.
package immutable

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"holdfast/storage"
)

// Policy says how objects are locked.
type Policy struct {
	// Mode says who may end a retention early.
	Mode storage.RetentionMode
	// For is the length of a retention, from the instant of the Put.
	For time.Duration
}

// Validate tells what is wrong with a policy.
func (p Policy) Validate() error {
	switch {
	case p.Mode != storage.Governance && p.Mode != storage.Compliance:
		return fmt.Errorf("mode of immutability %q: write governance or compliance", p.Mode)
	case p.For < Shortest:
		return errors.New("immutable for less than a day: services count in days, and nobody notices an attack sooner")
	case p.For > Longest:
		return errors.New("immutable for more than 10 years: that looks like a slip of the pen, and nothing could undo it")
	}
	return nil
}

const (
	// Shortest and Longest bound Policy.For.
	Shortest = 24 * time.Hour
	Longest  = 10 * 365 * 24 * time.Hour
	// Unconfirmed is up to how long a compliance retention needs no extra
	// word of the owner: one that is longer by mistake has to be paid to its
	// end.
	Unconfirmed = 90 * 24 * time.Hour
)

// NeedsConfirmation tells whether a policy cannot be undone for so long that
// its owner has to say so twice.
func (p Policy) NeedsConfirmation() bool {
	return p.Mode == storage.Compliance && p.For > Unconfirmed
}

// Until returns the retention of an object put at an instant. It ends at a
// full hour, rounded up, so that the objects of one backup end together.
func (p Policy) Until(now time.Time) storage.Retention {
	until := now.Add(p.For).UTC()
	if whole := until.Truncate(time.Hour); whole.Before(until) {
		until = whole.Add(time.Hour)
	}
	return storage.Retention{Mode: p.Mode, Until: until}
}

// IsExempt tells whether an object is never locked: locks, and receipts of runs,
// which take the place of each other.
func IsExempt(key string) bool {
	return strings.HasPrefix(key, "locks/") || strings.HasPrefix(key, "holdfast/probe/") || strings.HasPrefix(key, "holdfast/receipts/")
}

// Store locks what it puts into the Store it wraps. Make one with New.
type Store struct {
	storage.Store
	policy Policy
	now    func() time.Time

	mu  sync.Mutex
	put map[string]time.Time
}

var _ storage.Wrapper = (*Store)(nil)

// New wraps s. The clock is that of this machine unless now is given.
func New(s storage.Store, p Policy, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{Store: s, policy: p, now: now, put: map[string]time.Time{}}
}

// Unwrap returns the store below.
func (s *Store) Unwrap() storage.Store { return s.Store }

// Policy returns how objects are locked.
func (s *Store) Policy() Policy { return s.policy }

// Locked returns the objects that were put through s, with the ends of their
// retentions: some 100 bytes for each pack of 16 MiB.
func (s *Store) Locked() map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.put)
}

// Put stores body and locks it. A retention that the caller asks for stays
// when it is longer.
func (s *Store) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	if IsExempt(key) {
		return s.Store.Put(ctx, key, body, o)
	}
	if r := s.policy.Until(s.now()); r.Until.After(o.Retention.Until) {
		if o.Retention.Mode == storage.Compliance {
			r.Mode = storage.Compliance
		}
		o.Retention = r
	}
	err := s.Store.Put(ctx, key, body, o)
	if err == nil {
		s.mu.Lock()
		s.put[key] = o.Retention.Until
		s.mu.Unlock()
	}
	if errors.Is(err, storage.ErrUnsupported) {
		return fmt.Errorf("%w; the place cannot lock objects, as `immutable` asks for: `holdfast storage check` tells what is missing", err)
	}
	return err
}
