// Package confirm is a storage.Store that takes nothing for stored before it
// is known to be what was sent.
//
// Where the service has compared a checksum of what it stored with what was
// sent, and says so (S3, Azure, Google Cloud, our own REST server), that is
// enough, and costs nothing. Everywhere else (SFTP, other REST servers,
// folders) the object is read again and hashed, which costs its size once
// more, in the other direction of the line. What turns out to be something
// else is removed and never acknowledged, so that no index names it.
//
// Where objects are read back, some are sent while others are read: a line
// carries as much in one direction as in the other. Left to themselves, Puts
// that begin together share the line, end together, and then all read back, so
// that one direction of it is idle by turns.
package confirm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"holdfast/storage"
)

// How says what is done about each object that is put.
type How int

// The ways.
const (
	// Cheapest reads back what no service has vouched for.
	Cheapest How = iota
	// ReadBack reads back everything.
	ReadBack
	// Told reads nothing back, and only counts what services have vouched for.
	Told
)

// Amount counts objects and their bytes.
type Amount struct{ Count, Bytes uint64 }

func (a *Amount) add(sizeBytes int64) {
	a.Count++
	a.Bytes += uint64(sizeBytes) //nolint:gosec // sizes are not negative
}

// Receipt tells how what was put is known to be there. Locks are not counted.
type Receipt struct {
	// Checked was compared by the service, by the checksum Checksum.
	Checked  Amount
	Checksum string
	// ReadBack was read again and hashed; PacksReadBack are the packs among it.
	ReadBack, PacksReadBack Amount
	// Unconfirmed is the rest: with Told alone there is some.
	Unconfirmed Amount
}

const (
	// eachWay bounds the objects that are sent, and those that are read back,
	// once it is known that there is something to read back: two fill a line, and
	// the others the round trips and the slow disk of their neighbours.
	eachWay = 4
	// putsAtOnce is what both take.
	putsAtOnce = 2 * eachWay
)

// Store confirms what it puts into the Store it wraps. Make one with New.
type Store struct {
	storage.Store
	how              How
	readsBack        atomic.Bool // something had to be read back
	sending, reading *semaphore.Weighted

	mu   sync.Mutex
	done Receipt
}

var (
	_ storage.Wrapper   = (*Store)(nil)
	_ storage.Lingering = (*Store)(nil)
)

// New wraps s, which tries again by itself: see storage/retry.
func New(s storage.Store, how How) *Store {
	c := &Store{Store: s, how: how, sending: semaphore.NewWeighted(eachWay), reading: semaphore.NewWeighted(eachWay)}
	c.readsBack.Store(how == ReadBack)
	return c
}

// Unwrap returns the store below.
func (s *Store) Unwrap() storage.Store { return s.Store }

// Receipt tells what was confirmed so far.
func (s *Store) Receipt() Receipt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// PutsAtOnce returns how many Puts keep both directions of a line busy.
func (s *Store) PutsAtOnce() int { return putsAtOnce }

// count changes the receipt.
func (s *Store) count(change func(*Receipt)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.done)
}

// Put stores body and makes sure that it is there. When it is not, the error
// wraps storage.ErrConflict, and what is there instead is gone, unless the
// place does not permit that.
func (s *Store) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	if strings.HasPrefix(key, "locks/") { // they prove nothing, and go within minutes
		return s.Store.Put(ctx, key, body, o)
	}
	sum, err := hashOf(ctx, body, o.SHA256)
	if err != nil {
		return fmt.Errorf("put %s: read body: %w", key, err)
	}
	o.SHA256 = &sum
	checksum, ask := "", o.Checked
	o.Checked = func(by string) {
		checksum = by
		if ask != nil {
			ask(by)
		}
	}
	size := body.Size()
	if err := s.send(ctx, key, body, o); err != nil {
		return err
	}
	switch {
	case checksum != "" && s.how != ReadBack:
		s.count(func(r *Receipt) { r.Checked.add(size); r.Checksum = checksum })
		return nil
	case s.how == Told:
		s.count(func(r *Receipt) { r.Unconfirmed.add(size) })
		return nil
	}
	if err := s.readBack(ctx, key, size, sum); err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	s.count(func(r *Receipt) {
		r.ReadBack.add(size)
		if strings.HasPrefix(key, "data/") {
			r.PacksReadBack.add(size)
		}
	})
	return nil
}

// send stores body in its turn. Where nothing is read back there are no turns.
func (s *Store) send(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	if s.readsBack.Load() {
		if err := s.sending.Acquire(ctx, 1); err != nil {
			return fmt.Errorf("put %s: %w", key, context.Cause(ctx))
		}
		defer s.sending.Release(1)
	}
	return s.Store.Put(ctx, key, body, o)
}

// hashOf returns the hash of body, which the caller may know.
func hashOf(ctx context.Context, body storage.Body, known *[32]byte) (sum [32]byte, err error) {
	if known != nil {
		return *known, nil
	}
	h := sha256.New()
	n, err := io.Copy(h, io.NewSectionReader(storage.Unpaced(body), 0, body.Size()))
	if err == nil && n != body.Size() {
		err = fmt.Errorf("%w: it ends after %d of %d bytes", storage.ErrBody, n, body.Size())
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return [32]byte(h.Sum(nil)), err
}

// readBack compares, in its turn, what is stored with its size and hash.
func (s *Store) readBack(ctx context.Context, key string, sizeBytes int64, sum [32]byte) error {
	s.readsBack.Store(true)
	if err := s.reading.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("read it back: %w", context.Cause(ctx))
	}
	defer s.reading.Release(1)
	if local, ok := storage.As[storage.Forgetful](s.Store); ok {
		local.ForgetCached(key)
	}
	h := sha256.New()
	r, err := s.Store.Get(ctx, key, 0, -1)
	if err != nil {
		return fmt.Errorf("read it back: %w", err)
	}
	n, err := io.Copy(h, r)
	if err := errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("read it back: %w", err)
	}
	if n == sizeBytes && [32]byte(h.Sum(nil)) == sum {
		return nil
	}
	gone := "it was removed there"
	if err := s.remove(ctx, key); err != nil {
		gone = fmt.Sprintf("and could not be removed there (%v)", err)
	}
	return fmt.Errorf("%w: %d bytes with the SHA-256 %x were sent, and %d bytes with %x are there; %s",
		storage.ErrConflict, sizeBytes, sum[:8], n, h.Sum(nil)[:8], gone)
}

// removeTimeout bounds how long a failed Put takes to clear away.
const removeTimeout = 30 * time.Second

func (s *Store) remove(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	return s.Store.Delete(ctx, key)
}
