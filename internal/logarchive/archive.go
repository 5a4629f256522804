package logarchive

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"sync"

	"filippo.io/age"

	"holdfast/storage"
)

// Options tell how an archive is used. Who only appends has no Identities;
// who only reads has no Signing key.
type Options struct {
	// Source is the name of the source whose log this is.
	Source string
	// Recipients are who can read what is appended.
	Recipients []age.Recipient
	// Signing signs what is appended.
	Signing ed25519.PrivateKey
	// Trusted are the keys whose records are believed; the one of Signing
	// always is.
	Trusted []ed25519.PublicKey
	// Identities open payloads.
	Identities []age.Identity
	// Warn, if set, is told of what went wrong and did no harm.
	Warn func(error)
}

// Archive is the log archive of one source in one store. It may be used from
// many goroutines at once.
type Archive struct {
	store         storage.Store
	o             Options
	decompressors sync.Pool // that were used before
}

// New returns the archive of a source in a store. Nothing is read or written.
func New(store storage.Store, o Options) (*Archive, error) {
	if !validName(o.Source) {
		return nil, fmt.Errorf("log archive: source %q is no valid name", o.Source)
	}
	if o.Signing != nil {
		if len(o.Recipients) == 0 {
			return nil, errors.New("log archive: there is a signing key, but no recipient who could read what is archived")
		}
		public := o.Signing.Public().(ed25519.PublicKey) //nolint:errcheck // an ed25519 key has no other
		o.Trusted = append(slices.Clone(o.Trusted), public)
	}
	return &Archive{store: store, o: o}, nil
}

func (a *Archive) warn(err error) {
	if a.o.Warn != nil {
		a.o.Warn(err)
	}
}

// Location names the place of the archive for people.
func (a *Archive) Location() string { return a.store.Location() + "/" + Root + a.o.Source }

// Record returns the record of a segment, or storage.ErrNotFound. It fails
// with ErrForged for one that no trusted key signed, and with ErrOutOfChain
// for one that was put in the place of another.
func (a *Archive) Record(ctx context.Context, s Segment) (*Record, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	stored, err := storage.ReadAll(ctx, a.store, recordKey(a.o.Source, s))
	if err != nil {
		return nil, fmt.Errorf("record of %s: %w", s.Name, err)
	}
	r, err := ParseRecord(stored, a.o.Trusted)
	if err != nil {
		return nil, err
	}
	if r.Segment != s {
		return nil, fmt.Errorf("record of %s says that it is %s of stream %s: %w", s.Name, r.Name, r.Stream, ErrOutOfChain)
	}
	return r, nil
}
