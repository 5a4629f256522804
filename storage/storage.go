// Package storage keeps immutable objects under slash-separated keys.
//
// It is the only way the rest of holdfast touches a place where copies live.
// Store is the contract; each implementation lives in a package of its own
// (storage/local, storage/mem, ...) and passes storagetest.Run. Wrappers
// (storage/retry, storage/throttle, storage/fault) are Stores around a Store
// and compose: retry.New(throttle.New(local.Open(...))).
package storage

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"
)

// Store keeps objects: whole byte strings under a key, written once, read in
// ranges, listed and deleted.
//
// A key is one or more segments joined by "/", such as "config" or
// "data/3f/3f9a...". Segments are not empty, not "." or "..", and hold no
// slash, backslash, control character or NUL (see CheckKey).
//
// Every method may be called from many goroutines at once, stops early when
// its context ends, and returns errors that wrap one of the sentinels below
// when one of them says what happened.
type Store interface {
	// Put stores all of body under key, atomically and durably: a reader
	// sees the whole object or none of it, and once Put has returned nil the
	// object survives a crash of this process and of the machine. A Put that
	// fails or is cut off leaves no object under key.
	//
	// Objects are immutable: when key exists already, Put changes nothing
	// and returns ErrExists.
	//
	// The options tell more about the object; a store without the power for
	// one of them ignores it, but for a Retention, which it refuses with
	// ErrUnsupported.
	Put(ctx context.Context, key string, body Body, o PutOptions) error

	// Get reads length bytes of key from offset on; length < 0 reads to the
	// end. The reader yields exactly the bytes asked for or an error: an
	// object that ends early gives io.ErrUnexpectedEOF, from Get or from
	// Read. The caller closes the reader.
	Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)

	// Stat describes the object under key, or returns ErrNotFound.
	Stat(ctx context.Context, key string) (Info, error)

	// List calls visit for every object whose key begins with prefix, in no
	// particular order, and stops at the first error visit returns, which it
	// returns as it is. The prefix is "" (everything) or ends in "/". A
	// prefix that holds nothing is an empty list, not an error. Objects put
	// or deleted meanwhile may or may not be seen; unfinished Puts never are.
	List(ctx context.Context, prefix string, visit func(Info) error) error

	// Delete removes the object under key. When there is none it returns
	// ErrNotFound, or nil where the service does not tell (S3): finding out
	// would cost a request for each object that a prune removes.
	Delete(ctx context.Context, key string) error

	// Location names the place for people, without secrets.
	Location() string
}

// Info describes one stored object.
type Info struct {
	Key       string
	SizeBytes int64
	// Stored is when the object was put, by the clock of the place; zero where
	// that is not known. It is no part of the object: a copy has its own.
	Stored time.Time
}

// PutOptions tell a store what the bytes of an object do not.
type PutOptions struct {
	// SHA256, if set, is the hash of the body. A store whose server checks
	// what arrives hands it on and need not hash the body itself.
	SHA256 *[32]byte
	// Bulk marks an object that only restores and read-back read, such as a
	// pack of file content: lifecycle rules may move it to a colder class.
	Bulk bool
	// Retention makes the object immutable from the first instant on.
	Retention Retention
	// Checked, if set, is told before Put returns nil that the service has
	// compared what it stored with what was sent, and by which checksum, such
	// as "SHA-256". A store whose service does not say so never calls it.
	Checked func(checksum string)
}

// WasChecked tells whoever wants to know that the service has compared what
// it stored; for implementations of Store.
func (o PutOptions) WasChecked(checksum string) {
	if o.Checked != nil {
		o.Checked(checksum)
	}
}

// Body is what Put stores. It can be read at any offset any number of times,
// so that a retry or a parallel upload may start anywhere.
type Body interface {
	io.ReaderAt
	Size() int64
}

var (
	// ErrNotFound says that no object is stored under the key.
	ErrNotFound = errors.New("object does not exist")
	// ErrExists says that the key already holds an object.
	ErrExists = errors.New("object exists already")
	// ErrReadOnly says that the place, or the credentials, permit no writing.
	ErrReadOnly = errors.New("storage is read-only")
	// ErrFull says that the place has no room left (disk or quota).
	ErrFull = errors.New("storage is full")
	// ErrInvalidKey says that a key breaks the rules given at Store.
	ErrInvalidKey = errors.New("invalid storage key")
	// ErrInvalidRange says that a range asked of Get begins after the end of
	// the object, or is negative.
	ErrInvalidRange = errors.New("range lies outside the object")
	// ErrUnsupported says that the store has no such power, or that the
	// service behind it has not.
	ErrUnsupported = errors.New("the storage service cannot do this")
	// ErrImmutable says that an object is under a retention or a legal hold
	// that forbids to delete it or to loosen what protects it.
	ErrImmutable = errors.New("object is immutable")
	// ErrCold says that an object lies in a class that has to be thawed
	// before it can be read (see Tiering).
	ErrCold = errors.New("object lies in a cold storage class and must be thawed first")
	// ErrConflict says that a key holds other bytes than the ones we stored
	// there: damage, or a second writer. It never wraps ErrExists, so that no
	// caller takes it for "this very object is stored already".
	ErrConflict = errors.New("stored object differs from the one written")
	// ErrSetup says that the place cannot be used as it was named: there is no
	// such bucket, it lies in another region, its certificate is not trusted.
	// Waiting does not help, and nothing is known about objects.
	ErrSetup = errors.New("the storage place or its settings are wrong")
	// ErrBody says that the bytes given to Put are fewer than announced, or do
	// not match the hash given with them: they were damaged here, in memory or
	// on the disk they were spooled to. Nothing was stored.
	ErrBody = errors.New("the bytes to be stored are not the ones announced")
)

// IsPermanent tells whether trying the same operation again is pointless:
// the store answered, and the answer will be the same.
func IsPermanent(err error) bool {
	for _, p := range []error{
		ErrNotFound, ErrExists, ErrReadOnly, ErrFull, ErrInvalidKey, ErrInvalidRange, ErrConflict,
		ErrUnsupported, ErrImmutable, ErrCold, ErrSetup, ErrBody,
		fs.ErrPermission, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, p) {
			return true
		}
	}
	return false
}

// Cleaner is a Store in which a killed process leaves things behind that are
// no objects, such as half-written temporary files.
type Cleaner interface {
	// Clean removes what is left behind and old enough to belong to nobody.
	// Prune calls it while others may work; objects are never touched.
	Clean(ctx context.Context) error
}

// Bounded is a Store that serves only so many requests at once, those whose
// streams are still being read included; further ones wait. Whoever asks for
// things ahead of time must leave room for what it needs first.
type Bounded interface {
	// RequestsAtOnce returns the bound; 0 is none.
	RequestsAtOnce() int
}

// Lingering is a Store whose Put goes on after the body was sent, such as to
// read it back: more of them at once than elsewhere keep a line busy.
type Lingering interface {
	// PutsAtOnce returns how many Puts of large objects it pays to have under
	// way.
	PutsAtOnce() int
}

// Close releases what a store, or one that it wraps, holds open: connections.
// A store without such things is closed, too.
func Close(s Store) error {
	if c, ok := As[interface {
		Store
		io.Closer
	}](s); ok {
		return c.Close()
	}
	return nil
}

// Wrapper is a Store that adds something to another one.
type Wrapper interface {
	Store
	Unwrap() Store
}

// PowerWrapper is a Wrapper that also stands before the powers of what it
// wraps: one that tries again, or counts. As asks it.
type PowerWrapper interface {
	Wrapper
	// Power returns a power as it is used through the wrapper. want is a nil
	// pointer to the interface asked for, have implements it; what the wrapper
	// has no business with is returned as it is.
	Power(want, have any) any
}

// As finds the outermost store in a chain of wrappers that also is a T: an
// optional power such as Spooler, or a concrete implementation. The wrappers
// around it that are PowerWrappers stay in between.
func As[T any](s Store) (T, bool) {
	if t, ok := s.(T); ok {
		return t, true
	}
	w, ok := s.(Wrapper)
	if !ok {
		var none T
		return none, false
	}
	t, ok := As[T](w.Unwrap())
	if p, between := s.(PowerWrapper); ok && between {
		t = p.Power((*T)(nil), t).(T)
	}
	return t, ok
}
