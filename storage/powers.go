package storage

import (
	"context"
	"time"
)

// The powers that some stores have beyond the contract. Find one with As,
// which looks through wrappers; a wrapper that must see these calls (to hold
// them back, to count them) implements the interface itself.

// RetentionMode says who may end a retention early.
type RetentionMode string

// The modes, named as S3 names them.
const (
	// Governance: whoever holds a special permission.
	Governance RetentionMode = "governance"
	// Compliance: nobody, the owner of the account included.
	Compliance RetentionMode = "compliance"
)

// Retention protects one object from being deleted, changed or replaced
// until an instant. The zero value protects from nothing.
type Retention struct {
	Mode  RetentionMode
	Until time.Time
}

// IsZero tells whether nothing is protected.
func (r Retention) IsZero() bool { return r.Mode == "" && r.Until.IsZero() }

// Locker is a Store that can make objects immutable.
type Locker interface {
	// CheckLocking returns nil when objects can be locked in this very place,
	// and otherwise an error that wraps ErrUnsupported or says what is missing
	// and what to do, such as a bucket made without object lock.
	CheckLocking(ctx context.Context) error

	// Retention returns what protects the object now.
	Retention(ctx context.Context, key string) (Retention, error)

	// Extend protects the object at least until r.Until and at least in
	// r.Mode. It never shortens and never loosens: when the object is
	// protected as well or better already, nothing changes.
	Extend(ctx context.Context, key string, r Retention) error
}

// Versioned is a Store that can show an earlier state of itself.
type Versioned interface {
	// CheckVersions returns nil when the place keeps the earlier versions of
	// objects that are deleted or replaced, as CheckLocking does.
	CheckVersions(ctx context.Context) error

	// AsOf returns a read-only view of the objects as they were at an instant.
	AsOf(t time.Time) Store

	// Undelete brings back the newest version of an object that was deleted,
	// or ErrNotFound when no version is left.
	Undelete(ctx context.Context, key string) error
}

// Tier tells where the bytes of an object lie.
type Tier struct {
	// Class is the service's own name, such as "GLACIER_IR" or "Cool".
	Class string
	// Bulk tells whether lifecycle rules may move the object (PutOptions.Bulk).
	Bulk bool
	// Cold tells that reading gives ErrCold until the object is thawed.
	Cold bool
	// Thawing tells that a thaw was asked for and is not done.
	Thawing bool
	// ThawedUntil is when a thawed copy goes away; zero for none.
	ThawedUntil time.Time
}

// ThawOptions tell how an object is made readable again.
type ThawOptions struct {
	// For is how long the readable copy is kept, where the service makes one.
	For time.Duration
	// Priority is the service's own name of the speed, and so of the price,
	// such as "Bulk", "Standard" or "Expedited"; "" is its cheapest.
	Priority string
}

// Tiering is a Store with storage classes.
type Tiering interface {
	// Tier describes where an object lies.
	Tier(ctx context.Context, key string) (Tier, error)

	// ListTiers is List with the class of each object, in as many requests.
	// Only Class and Cold of the tier are set, and ThawedUntil where the service
	// tells it in listings.
	ListTiers(ctx context.Context, prefix string, visit func(Info, Tier) error) error

	// MarkBulk marks an object that was put without PutOptions.Bulk, by an
	// other program; marking twice is no error.
	MarkBulk(ctx context.Context, key string) error

	// Thaw asks for an object to become readable. It returns at once; asking
	// again while it thaws, or when it is readable, is no error. A thawed copy
	// that is asked for again stays for as long from now on.
	Thaw(ctx context.Context, key string, o ThawOptions) error
}

// Hasher is a Store whose service hashes objects as they arrive and keeps the
// hashes, so that an object can be compared without being read.
type Hasher interface {
	// SHA256 returns the hash of the object, or ErrUnsupported when the
	// service keeps none of this one.
	SHA256(ctx context.Context, key string) ([32]byte, error)
}

// Forgetful is a Store whose objects this machine keeps in memory when they
// were written or read, so that reading one proves nothing of the medium.
type Forgetful interface {
	// ForgetCached drops what is kept of an object, as far as the system does
	// that: the next Get reads the medium.
	ForgetCached(key string)
}

// BatchDeleter is a Store that deletes many objects in one request.
type BatchDeleter interface {
	// DeleteBatch deletes objects and returns the keys of those that are
	// certainly gone; keys that it leaves out are for Delete, which says why.
	// Of at most a thousand keys it makes one request. An error says that
	// nothing is known of any of them; ErrUnsupported, that Delete has to do
	// it. Deleting twice is no error.
	DeleteBatch(ctx context.Context, keys []string) (gone []string, err error)
}
